"""Patterns of our own, for what presidio's recognisers leave out: by the kinds of 45 CFR 164.514(b)(2)(i) (HIPAA).

They are read by the package `regex` in multi-line mode and without regard to capitals, unless a pattern says ``(?-i:``.
A pattern finds what stands behind a label (``MRN:``, ``Name:``) without the label.
"""

from __future__ import annotations

from collections.abc import Mapping

_WORD = r"[A-Z][\w'’-]+"
_OF = r"(?:(?:van|von|de|del|la|der|den|al|bin)[ \t]+){0,2}"
_NAME = rf"(?-i:{_WORD}(?:,?[ \t]+{_OF}(?:[A-Z]\.?(?=[ \t])|{_WORD})){{0,3}})"
_TITLE = r"(?:Dr|Mr|Mrs|Ms|Miss|Mx|Prof|Professor|Doctor|Nurse|Sister|Sir|Rev|Father)\b\.?"
_LABEL = (
    r"(?:patient(?:'s)?(?:[ \t]+name)?|name|surname|first[ \t]name|last[ \t]name|attending|physician|surgeon|"
    r"radiologist|pathologist|consultant|resident|referred[ \t]by|dictated[ \t]by|reported[ \t]by|signed(?:[ \t]by)?|"
    r"seen[ \t]by|verified[ \t]by|provider|author|cc|pcp|gp|next[ \t]of[ \t]kin|contact)"
)
_RELATIVE = (
    r"(?:wife|husband|son|daughter|mother|father|brother|sister|partner|friend|neighbou?r|uncle|aunt|grandson|"
    r"granddaughter|grandmother|grandfather|carer|caregiver)"
)
_MONTH = (
    r"(?-i:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|"
    r"Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_NUMBER = r"(?=[A-Z0-9/-]*\d)[A-Z0-9][A-Z0-9/-]{3,}"
_OF_A_NUMBER = r"(?:[ \t]*(?:number|no|nr|id|code)\b\.?)?[ \t]*[:#=]*[ \t]*#?"
_STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Court|Ct|Boulevard|Blvd|Way|Place|Pl|Square|Sq|Terrace|Close|"
    r"Crescent|Parkway|Highway|Hill)\b"
)
_HOUSE = (
    r"(?:Hospital|Clinic|Infirmary|Hospice|Medical[ \t]+Cent(?:er|re)|Health[ \t]+Cent(?:er|re)|Nursing[ \t]+Home)\b"
)

PATTERNS: Mapping[str, tuple[str, ...]] = {
    "name": (
        rf"\b{_TITLE}[ \t]+{_NAME}",
        rf"(?<=\b{_LABEL}[ \t]*[:=][ \t]*){_NAME}",
        rf"{_NAME}(?=,?[ \t]+(?-i:MD|M\.D\.|DO|RN|PhD|FRCR|FRCS|FRCP|NP|PA-C|CNP|MBBS)\b)",
        rf"(?<=\b{_RELATIVE},?[ \t]+)(?-i:{_WORD})",
        rf"(?<=\b(?:named|called|known[ \t]as|goes[ \t]by)[ \t]+){_NAME}",
    ),
    "date": (
        rf"\b{_DAY}(?:[ \t]+of)?[ \t]+{_MONTH}(?:,?[ \t]+\d{{4}})?\b",
        rf"\b{_MONTH}[ \t]+{_DAY}\b(?:,?[ \t]+\d{{4}}\b)?",
        rf"\b{_MONTH},?[ \t]+(?:19|20)\d{{2}}\b",
    ),
    "age over 89": (
        r"\b(?:9\d|1[0-2]\d)(?=[ \t-]*(?:years?|yrs?|y/?o)\b)",
        r"(?<=\b(?:aged?|age[ \t]of)[ \t:]+)(?:9\d|1[0-2]\d)\b",
    ),
    "web address": (r"\b(?:https?://|ftp://|www\.)[^\s<>\"')]+",),
    "address": (
        rf"\b\d{{1,5}}[A-Z]?[ \t]+(?-i:(?:[A-Z][\w'.-]*[ \t]+){{1,3}}{_STREET})",
        r"\bP\.?[ \t]?O\.?[ \t]*Box[ \t]+\d+",
    ),
    "postcode": (
        r"\b(?-i:[A-Z]{2})[ \t]+\d{5}(?:-\d{4})?\b",
        r"\b(?-i:[A-Z]{1,2}\d[A-Z\d]?[ \t]\d[A-Z]{2})\b",
    ),
    "record number": (
        r"(?<=\b(?:MRN|MR#|UHID|CHI|(?:medical[ \t]+|hospital[ \t]+|patient[ \t]+|health[ \t]+)?record|hospital|"
        r"accession|account|acct|encounter|visit|case|chart|specimen|study|order|requisition|patient|insurance|"
        rf"policy|member|medicare|medicaid|beneficiary|claim|NHS|health[ \t]+plan){_OF_A_NUMBER}){_NUMBER}\b",
    ),
    "licence or plate": (
        rf"(?<=\b(?:licen[cs]e(?:[ \t]+plate)?|passport|plate|registration|DEA|NPI){_OF_A_NUMBER}){_NUMBER}\b",
    ),
    "device": (rf"(?<=\b(?:serial|S/N|SN|UDI|IMEI|lot|device){_OF_A_NUMBER}){_NUMBER}\b",),
    "hospital": (rf"(?-i:(?:(?:St\.?|[A-Z][\w'’-]+)[ \t]+){{1,4}}{_HOUSE})",),
}
"""By kind."""
