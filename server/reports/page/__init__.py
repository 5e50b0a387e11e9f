"""``report.html``: one page about a run or a study for whoever decides on its model, from the files of its folder."""
