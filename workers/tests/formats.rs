//! Every format with software keys, judged by foreign tools.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up has failed"
)]

#[path = "formats/cades.rs"]
mod cades;
#[path = "formats/mutations.rs"]
mod mutations;
#[path = "formats/pades.rs"]
mod pades;
#[path = "formats/pades_appearance.rs"]
mod pades_appearance;
#[path = "formats/pades_appearance_definitions.rs"]
mod pades_appearance_definitions;
#[path = "formats/pades_attachments.rs"]
mod pades_attachments;
#[path = "formats/pades_bombs.rs"]
mod pades_bombs;
#[path = "formats/pades_corpus.rs"]
mod pades_corpus;
#[path = "formats/pades_damaged.rs"]
mod pades_damaged;
#[path = "formats/pades_display.rs"]
mod pades_display;
#[path = "formats/pades_forms.rs"]
mod pades_forms;
#[path = "formats/pades_hostile.rs"]
mod pades_hostile;
#[path = "formats/pades_oddities.rs"]
mod pades_oddities;
#[path = "formats/pades_passwords.rs"]
mod pades_passwords;
#[path = "formats/pades_verifiers.rs"]
mod pades_verifiers;
#[path = "formats/pdf.rs"]
mod pdf;
#[path = "formats/plain.rs"]
mod plain;
#[path = "formats/software_key.rs"]
mod software_key;
#[path = "formats/xades.rs"]
mod xades;
