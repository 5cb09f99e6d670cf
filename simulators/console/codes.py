"""The contract's code lists, as a console offers them: language-neutral words, whose texts are in the catalogues."""

# fmt: off
OUTCOMES = (
    "seizure", "nothing_found", "not_searched", "detained", "handed_over", "controlled_delivery", "pending_lab",
    "inconclusive", "cleared", "cannot_locate", "tip", "training",
)
COMMODITIES = (
    "cocaine", "heroin_opiates", "opium", "cannabis_herb", "cannabis_resin", "amphetamine", "methamphetamine", "mdma",
    "fentanyl_opioid", "tramadol", "ketamine", "khat", "nps", "precursor", "other_drug", "medicine_falsified",
    "medicine_undeclared", "counterfeit_goods", "tobacco", "alcohol", "currency", "gold", "gems", "firearm",
    "firearm_part", "ammunition", "explosive", "knife_other_weapon", "ivory", "pangolin", "rhino_horn", "live_animal",
    "plant_timber", "wildlife_other", "cultural_object", "travel_document", "identity_document", "payment_card",
    "strategic_goods", "hazardous_waste", "radioactive", "electronics", "person_smuggled", "unknown_organic",
    "unknown_dense", "other",
)
DETECTION_METHODS = (
    "xray_algorithm", "xray_operator", "ct", "body_scan_transmission", "body_scan_mmw", "canine", "etd_trace",
    "field_test", "metal_detector", "radiation", "physical_search", "document_check", "observation", "urine_test",
    "medical_imaging", "lab", "other",
)
SELECTION_REASONS = (
    "routine", "random", "risk_profile", "manifest_api_pnr", "warning_other_unit", "intelligence", "watchlist",
    "behaviour", "device_alarm", "canine_alert", "tip_off", "joint_operation", "other",
)
CONCEALMENTS = (
    "none", "swallowed", "body_cavity", "on_body", "in_clothing", "impregnated_textile", "footwear",
    "bag_false_bottom_wall", "bag_frame_handle_wheel", "bag_among_effects", "liquid_container", "food",
    "tins_sealed_pack", "toiletries_cosmetics", "electronics", "toy", "book_paper", "artwork_frame", "furniture",
    "machinery_parts", "cargo_among_goods", "cargo_in_goods", "pallet_packaging", "uld_container",
    "aircraft_structure", "mail_parcel", "unaccompanied_bag", "other",
)
DIRECTIONS = ("arrival_import", "departure_export", "transit_transfer", "domestic", "unknown")
# fmt: on

UNITS = ("KGM", "GRM", "LTR", "H87", "EUR", "USD", "XOF", "XAF")
"""Of quantities: UN/ECE Recommendation 20 (kilogram, gram, litre, piece), ISO 4217 for currency."""

LISTS = {
    "outcome": OUTCOMES,
    "commodity": COMMODITIES,
    "detection_method": DETECTION_METHODS,
    "selection_reason": SELECTION_REASONS,
    "concealment": CONCEALMENTS,
    "direction": DIRECTIONS,
}
