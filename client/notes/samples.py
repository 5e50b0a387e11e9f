"""A few notes to look at copies of; written for that, of no patient."""

from __future__ import annotations

SAMPLES = (
    "The physician looked at the film again. No pleural effusion or pneumothorax. A 12 mm nodule in the left upper "
    "lobe was compared with the earlier picture, and the reader is glad that it looks the same.",
    "A child with a small burn to the right hand after it touched a hot pan in the kitchen. The mother denies fever. "
    "We cleaned the wound, gave 5 mg of morphine, and will look at it again when they come back.",
    "He began to cough on a journey by car and bought a large box of tablets in a shop. Lungs are clear, there is no "
    "wheeze, but he asks for help to sleep. Pneumonia was ruled out by the picture.",
    "She fell near her house and cannot lift the left arm. Possible fracture of the humerus; please repeat the picture "
    "when the swelling goes down. Not only the arm hurts: the doctor found a big bruise on the back.",
)
