"""Words that deny, that seem to deny, and that end what is denied: the rules of NegEx.

Chapman, Bridewell, Hanbury, Cooper, Buchanan: A simple algorithm for identifying negated findings and diseases in
discharge summaries, J Biomed Inform 34 (2001), and the list that its authors published with it, grouped here by
pattern; and the words of certainty, time and family of ConText (Harkema et al., J Biomed Inform 42, 2009), shortened.
"""

from __future__ import annotations

from itertools import product


def _every(*parts: str) -> tuple[str, ...]:
    """All phrases of ``a|b`` after ``c|d``; an empty choice leaves a part out."""
    return tuple(" ".join(" ".join(chosen).split()) for chosen in product(*(part.split("|") for part in parts)))


_RULE_OUT = (
    *_every("|did|can|adequate to|sufficient to", "rule", "|him|her|the patient", "out", "|for|against"),
    *_every("rules|ruled", "|him|her|the patient", "out", "|for|against"),
    *_every("what must be ruled out is"),
)
PRE = frozenset(
    (
        *_every("absence of|cannot see|cannot|can't|checked for|declined|declines|decline|denied|denies|deny|denying"),
        *_every("refuse|refuses|refused|refusing"),
        *_every(
            "fail to reveal|fails to reveal|failed to reveal|free of|inconsistent with|lack of|lacks|lacked|lacking"
        ),
        *_every("negative|negative for|negatives|never|never developed|never had|rather than|resolved|test for"),
        *_every("evaluate for|to exclude|exclude|excludes|excluded|unremarkable for|unable to|nor|neither|none|nil"),
        *_every(
            "no",
            "|abnormal|cause of|complaints of|complaint of|evidence of|evidence|new evidence|other evidence",
        ),
        *_every(
            "no",
            "evidence to suggest|findings of|findings to indicate|mammographic evidence of|radiographic evidence of|"
            "new|sign of|significant|signs of|suggestion of|suspicious|history of|longer|known|acute|focal|other|"
            "definite",
        ),
        *_every(
            "not",
            "|appear|appreciate|associated with|complain of|demonstrate|exhibit|feel|had|have|know of|known to have|"
            "reveal|see|to be|any|seen",
        ),
        *_every("patient was not|with no|without|without any|without any evidence of|without evidence of"),
        *_every("without evidence|without indication of|without sign of|without signs of|instead of|w/o|r/o|ø"),
        *_RULE_OUT,
    )
)
"""What follows is denied."""
_BE = "be|was|is|are|were|been|being"
POST = frozenset(
    (
        *_every("unlikely|free|absent|negative|denied|declined|resolved|excluded|not seen|not present|not identified"),
        *_every("|should|ought to|may|might|could|will|can|must|have|has|is to", _BE, "ruled out", "|for"),
        *_every("was|were|is|are", "not|no longer", "seen|present|identified|found|noted|visualized|detected|palpable"),
    )
)
"""What stands before is denied."""
PSEUDO = frozenset(
    (
        *_every("no", "|significant|interval|definite|suspicious|significant interval", "change"),
        *_every("no increase|no further|not extend|not cause|not drain|not significant interval change"),
        *_every("not certain if|not certain whether|gram negative|gram-negative|without difficulty|not necessarily"),
        *_every("not only|without further"),
    )
)
"""They have a word of denial and deny no finding: what they say stays all the same."""
END = frozenset(
    (
        *_every("but|however|nevertheless|yet|though|although|still|aside from|except|except for|apart from"),
        *_every("secondary to|other possibilities of|trigger event for|which|who|whereas"),
        *_every("|as the|as a|as an", "|secondary", "cause|source|reason|etiology|origin", "of|for"),
        *_every("causes|sources|reasons|origins", "of|for"),
    )
)
"""Here what is denied ends."""
CONTEXT = frozenset(
    (
        *_every("possible|possibly|probable|probably|likely|may|might|could|would|should|perhaps|maybe|apparent"),
        *_every("suspected|suspicious|suspicion|suspect|questionable|question|equivocal|presumed|presumably|potential"),
        *_every("suggest|suggests|suggested|suggesting|suggestive|consistent with|compatible with|concern|concerning"),
        *_every("indeterminate|uncertain|doubtful|differential|versus|vs|or|if|unless|until|if needed|risk|certain"),
        *_every(
            "history|previous|previously|prior|past|formerly|former|recent|recently|chronic|acute|subacute|new|old"
        ),
        *_every("family|familial|mother|father|brother|sister|son|daughter|aunt|uncle|grandmother|grandfather|parents"),
        *_every("worse|worsening|worsened|improved|improving|improvement|increased|increasing|increase|decreased"),
        *_every("decreasing|decrease|stable|unchanged|progression|larger|smaller|before|after|since|during"),
        *_every("mild|mildly|moderate|moderately|severe|severely|minimal|marked|markedly|benign|malignant|positive"),
        *_every("he|she|him|her|his|hers|himself|herself|man|woman|male|female|boy|girl|husband|wife"),
        *_every("only|some|all|both|every|each|many|few|most|more|less|least|same"),
    )
)
"""How sure, who, whose, when, how much, and which way: a note says something else without them."""
_ALONE = """
afebrile asymptomatic anicteric acyanotic atraumatic acellular aseptic avascular anechoic hardly barely scarcely
seldom lack loss missing failure normal normally intact clear negatively
"""
DENYING = frozenset(_ALONE.split())
"""Words that deny by themselves, besides those that begin with ``non`` or ``un``."""
NOT_DENYING = ("under", "uni", "until", "unto", "uncle", "unless")
"""Words that begin so deny nothing."""
