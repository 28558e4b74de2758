//! Signatures above level B-B, made and augmented in process against live authorities, judged by foreign programs.

#[path = "augmentation/archival.rs"]
mod archival;
#[path = "augmentation/bench.rs"]
mod bench;
#[path = "augmentation/corpus.rs"]
mod corpus;
#[path = "augmentation/encrypted.rs"]
mod encrypted;
#[path = "augmentation/forms.rs"]
mod forms;
#[path = "augmentation/hybrid.rs"]
mod hybrid;
#[path = "augmentation/joining.rs"]
mod joining;
#[path = "augmentation/levels.rs"]
mod levels;
#[path = "augmentation/makers.rs"]
mod makers;
#[path = "augmentation/offline.rs"]
mod offline;
#[path = "augmentation/others.rs"]
mod others;
#[path = "augmentation/pdf.rs"]
mod pdf;
#[path = "augmentation/permissions.rs"]
mod permissions;
#[path = "augmentation/properties.rs"]
mod properties;
#[path = "augmentation/seed_values.rs"]
mod seed_values;
#[path = "augmentation/sequences.rs"]
mod sequences;
#[path = "augmentation/service.rs"]
mod service;
#[path = "augmentation/xades.rs"]
mod xades;
#[path = "augmentation/xades_files.rs"]
mod xades_files;
#[path = "augmentation/xades_forms.rs"]
mod xades_forms;
#[path = "augmentation/xades_hostile.rs"]
mod xades_hostile;
#[path = "augmentation/xades_large.rs"]
mod xades_large;
#[path = "augmentation/xades_others.rs"]
mod xades_others;
#[path = "augmentation/xades_service.rs"]
mod xades_service;
