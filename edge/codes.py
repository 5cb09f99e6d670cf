"""The code lists of dispositions: language-neutral words, whose texts are the console's catalogues.

They follow the sections of the WCO's Illicit Trade Report and the fields that public accounts of customs seizure forms
name; no complete public list of WCO or UNODC was found. HS codes are a hint of the console's, never a key.
"""

from __future__ import annotations

from typing import Literal

KIND = "disposition"
"""What an act of the ledger is called that says what came of a hit."""

# fmt: off
Outcome = Literal[
    "seizure", "detained", "handed_over", "controlled_delivery", "pending_lab", "inconclusive", "nothing_found",
    "cleared", "not_searched", "cannot_locate", "tip", "training",
]

CONFIRMED: frozenset[Outcome] = frozenset({"seizure", "detained", "handed_over", "controlled_delivery"})
"""Something was there: the evidence is held, whatever its age."""

PENDING: frozenset[Outcome] = frozenset({"pending_lab", "inconclusive"})
"""Nobody knows yet: held as well."""

FOUND_NOTHING: frozenset[Outcome] = frozenset({"nothing_found", "cleared"})
NOT_SEARCHED: frozenset[Outcome] = frozenset({"not_searched", "cannot_locate"})
EXERCISE: frozenset[Outcome] = frozenset({"tip", "training"})
"""A projected threat or a test bag: in no figure of the real ones."""

Commodity = Literal[
    "cocaine", "heroin_opiates", "opium", "cannabis_herb", "cannabis_resin", "amphetamine", "methamphetamine", "mdma",
    "fentanyl_opioid", "tramadol", "ketamine", "khat", "nps", "precursor", "other_drug", "medicine_falsified",
    "medicine_undeclared", "counterfeit_goods", "tobacco", "alcohol", "currency", "gold", "gems", "firearm",
    "firearm_part", "ammunition", "explosive", "knife_other_weapon", "ivory", "pangolin", "rhino_horn", "live_animal",
    "plant_timber", "wildlife_other", "cultural_object", "travel_document", "identity_document", "payment_card",
    "strategic_goods", "hazardous_waste", "radioactive", "electronics", "person_smuggled", "unknown_organic",
    "unknown_dense", "other",
]

DetectionMethod = Literal[
    "xray_operator", "xray_algorithm", "ct", "body_scan_transmission", "body_scan_mmw", "canine", "etd_trace",
    "field_test", "metal_detector", "radiation", "physical_search", "document_check", "observation", "urine_test",
    "medical_imaging", "lab", "other",
]

SelectionReason = Literal[
    "routine", "random", "risk_profile", "manifest_api_pnr", "warning_other_unit", "intelligence", "watchlist",
    "behaviour", "device_alarm", "canine_alert", "tip_off", "joint_operation", "other",
]

Concealment = Literal[
    "none", "swallowed", "body_cavity", "on_body", "in_clothing", "impregnated_textile", "footwear",
    "bag_false_bottom_wall", "bag_frame_handle_wheel", "bag_among_effects", "liquid_container", "food",
    "tins_sealed_pack", "toiletries_cosmetics", "electronics", "toy", "book_paper", "artwork_frame", "furniture",
    "machinery_parts", "cargo_among_goods", "cargo_in_goods", "pallet_packaging", "uld_container",
    "aircraft_structure", "mail_parcel", "unaccompanied_bag", "other",
]

Direction = Literal["arrival_import", "departure_export", "transit_transfer", "domestic", "unknown"]
# fmt: on
