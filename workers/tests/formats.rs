//! Every format with software keys, judged by foreign tools.

#[path = "formats/cades.rs"]
mod cades;
#[path = "formats/pades.rs"]
mod pades;
#[path = "formats/pades_corpus.rs"]
mod pades_corpus;
#[path = "formats/pdf.rs"]
mod pdf;
#[path = "formats/plain.rs"]
mod plain;
#[path = "formats/software_key.rs"]
mod software_key;
