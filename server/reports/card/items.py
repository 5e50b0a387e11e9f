"""What a model card must tell, by number: items of TRIPOD+AI and of the EU AI Act's technical documentation.

In our own short words, each as a question to the people who made the model; the texts themselves are binding.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """An item: its number, its name, and what is asked."""

    number: str
    name: str
    question: str


@dataclass(frozen=True)
class Checklist:
    key: str
    title: str
    source: str
    items: tuple[Item, ...]


TRIPOD = Checklist(
    "tripod_ai",
    "TRIPOD+AI",
    "Collins et al., BMJ 2024;385:e078378",
    (
        Item("1", "Title", "Which title names the kind of study, the target population and the outcome?"),
        Item("2", "Abstract", "Is there an abstract after TRIPOD+AI for Abstracts?"),
        Item("3a", "Background", "What is the healthcare context, and which models are there already?"),
        Item("3b", "Purpose", "For whom, where in care and by whom is it to be used?"),
        Item("3c", "Inequalities", "Which health inequalities between groups are known?"),
        Item("4", "Objectives", "Was it developed, evaluated, or both, and to what end?"),
        Item("5a", "Data sources", "Why these data, and how representative are they?"),
        Item("5b", "Dates", "From when to when were patients included and followed?"),
        Item("6a", "Setting", "In which kind of care, and where, are these hospitals?"),
        Item("6b", "Eligibility", "Which patients were included, and which were not?"),
        Item("6c", "Treatments", "Which treatments did they receive, and how was that handled?"),
        Item("7", "Data preparation", "What was done to the data at each hospital before FedGraft read them?"),
        Item("8a", "Outcome", "How is the outcome defined, when and how was it assessed, alike for all groups?"),
        Item("8b", "Assessors", "Who assessed the outcome, and with which qualification?"),
        Item("8c", "Blinding", "Did the assessors know what the model sees?"),
        Item("9a", "Choice of predictors", "Why these inputs?"),
        Item("9b", "Predictors", "How and when were the inputs measured (devices, protocols)?"),
        Item("9c", "Subjective predictors", "Who measured what needs judgement?"),
        Item("10", "Sample size", "How was the number of cases arrived at, and is it enough?"),
        Item("11", "Missing data", "How much is missing, why, and how was it handled?"),
        Item("12a", "Use of data", "Was the division into training, validation and test cases planned beforehand?"),
        Item("12b", "Handling of predictors", "Were predictors transformed before FedGraft read them?"),
        Item("12c", "Model and its building", "Why this kind of model, and which others were tried?"),
        Item("12d", "Heterogeneity", "Which differences between hospitals were expected?"),
        Item("12e", "Measures", "Why these measures?"),
        Item("12f", "Updating", "Was the model changed after it was evaluated?"),
        Item("12g", "How predictions were made", "Were predictions made as they will be in use?"),
        Item("13", "Class imbalance", "Why was imbalance handled in this way?"),
        Item("14", "Fairness", "How was fairness addressed, and for which groups?"),
        Item("15", "Output", "How is the output shown, and why these thresholds?"),
        Item("16", "Training versus evaluation", "How do the cases tested differ from those trained on?"),
        Item("17", "Ethical approval", "Which body approved it, and how was consent given or waived?"),
        Item("18a", "Funding", "Who paid, and what was their role?"),
        Item("18b", "Conflicts of interest", "Which conflicts of interest are there?"),
        Item("18c", "Protocol", "Where is the protocol?"),
        Item("18d", "Registration", "Where is the study registered?"),
        Item("18e", "Data sharing", "Who may see the data, and how?"),
        Item("18f", "Code sharing", "Where is the code with which the data were prepared?"),
        Item("19", "Patients and public", "How did patients and the public take part?"),
        Item("20a", "Flow of participants", "How many patients were there at each step, with and without the outcome?"),
        Item("20b", "Characteristics", "What are the characteristics of patients, by hospital (age, sex, ...)?"),
        Item("20c", "Comparison", "How do important predictors differ between training and test cases?"),
        Item("21", "Cases in each analysis", "Do these numbers agree with the flow of participants?"),
        Item("22", "Specification", "Under which conditions can others use the model?"),
        Item("23a", "Performance", "What of performance in subgroups (sex, age, ethnicity, ...)?"),
        Item("23b", "Performance by hospital", "How are differences between hospitals explained?"),
        Item("24", "Results of updating", "How did the updated model do?"),
        Item("25", "Interpretation", "What do the results mean, beside earlier studies and for fairness?"),
        Item("26", "Limitations", "Which limitations are there (sampling, size, missing data, ...)?"),
        Item("27a", "Poor input", "What must a user do if an input is poor or missing?"),
        Item("27b", "Interaction", "What must users do or know to use it?"),
        Item("27c", "Next steps", "What is next, for applicability and generalisability?"),
    ),
)

AI_ACT = Checklist(
    "eu_ai_act_annex_iv",
    "EU AI Act, Annex IV: technical documentation",
    "Regulation (EU) 2024/1689, Annex IV",
    (
        Item("1a", "Purpose, provider, version", "What is the intended purpose, and who is the provider?"),
        Item("1b", "Interaction", "With which hardware and software that is not part of it does it interact?"),
        Item("1c", "Software versions", "Which versions of other software does it need, and how is it updated?"),
        Item("1d", "Forms of supply", "In which forms is it placed on the market or put into service?"),
        Item("1e", "Hardware", "On which hardware is it meant to run?"),
        Item("1f", "Product", "Is it a component of a product (photographs, markings, layout)?"),
        Item("1g", "User interface", "What does the deployer's user interface look like?"),
        Item("1h", "Instructions for use", "Where are the instructions for use for the deployer?"),
        Item("2a", "Development", "Which steps of development were taken outside FedGraft, by which third parties?"),
        Item("2b", "Design", "Why this design, for which persons or groups, with which trade-offs?"),
        Item("2c", "Architecture", "Which computational resources were used in all?"),
        Item("2d", "Data", "Where do the data come from, how were they selected, labelled and cleaned?"),
        Item("2e", "Human oversight", "Which measures of human oversight are there in use (Article 14)?"),
        Item("2f", "Changes foreseen", "Which changes are determined in advance?"),
        Item("2g", "Validation and testing", "Who signed the test reports, and when; what of discriminatory impacts?"),
        Item("2h", "Cybersecurity", "Which measures protect the system in use?"),
        Item("3", "Monitoring and control", "Which unintended outcomes and risks are foreseeable, for which groups?"),
        Item("4", "Performance metrics", "Why are these metrics appropriate for this system?"),
        Item("5", "Risk management", "Where is the risk management system described (Article 9)?"),
        Item("6", "Changes", "Which changes did the provider make through its life cycle?"),
        Item("7", "Standards", "Which harmonised standards were applied, and what instead of others?"),
        Item("8", "Declaration of conformity", "Where is the EU declaration of conformity (Article 47)?"),
        Item("9", "Post-market monitoring", "What is the post-market monitoring plan (Article 72)?"),
    ),
)
CHECKLISTS = (TRIPOD, AI_ACT)
