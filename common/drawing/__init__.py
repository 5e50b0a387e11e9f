"""Pages as one file of HTML, and plots on them as SVG: how a thing is shown, not what it says."""
