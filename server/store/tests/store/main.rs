//! The store from outside: what it promises to the service and to auditors.

#![cfg(test)]

mod audited_signer;
mod chain;
mod crash;
mod fixture;
mod key_authorizations;
mod nouns;
mod opening;
mod replicas;
mod writer;
