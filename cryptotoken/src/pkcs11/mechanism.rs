//! Choose the mechanism: from key, algorithm, the profile, and what the device offers.

use cryptoki::mechanism::dsa::{HedgeType, SignAdditionalContext};
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptotoken_api::{DigestAlgorithm, KeySpec, SignatureAlgorithm, SignatureScheme};

use crate::profile::{EddsaSigning, Hashing, MlDsaSigning, Sign};

/// How one algorithm is done on one device. (`Mechanism` itself holds raw pointers and cannot be kept in a signer.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    operation: Operation,
    digest: DigestAlgorithm,
    /// What the device is given.
    pub(crate) input: Input,
}

/// What the device is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The data; the device hashes.
    Data,
    /// The digest.
    Digest,
    /// `DigestInfo` (RFC 8017, section 9.2) with the digest.
    DigestInfo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    RsaPkcs1,
    RsaPkcs1Hashing,
    RsaPss,
    RsaPssHashing,
    Ecdsa,
    EcdsaHashing,
    Eddsa,
    MlDsa,
}

/// The plan for `algorithm`; `None` when the profile forbids it or the device does not offer it.
///
/// `offered` is `C_GetMechanismList`; `None` when the device would not tell, so that the attempt decides.
pub(crate) fn choose(
    profile: &Sign,
    offered: Option<&[MechanismType]>,
    spec: KeySpec,
    algorithm: SignatureAlgorithm,
) -> Option<Plan> {
    SignatureAlgorithm::for_key(spec, Some(algorithm.scheme()), Some(algorithm.digest())).ok()?;
    let (operation, input) = match algorithm.scheme() {
        SignatureScheme::RsaPkcs1 => match profile.rsa_pkcs1 {
            Hashing::Raw => (Operation::RsaPkcs1, Input::DigestInfo),
            Hashing::HashInToken => (Operation::RsaPkcs1Hashing, Input::Data),
            Hashing::Off => return None,
        },
        SignatureScheme::RsaPss => match profile.rsa_pss {
            Hashing::Raw => (Operation::RsaPss, Input::Digest),
            Hashing::HashInToken => (Operation::RsaPssHashing, Input::Data),
            Hashing::Off => return None,
        },
        SignatureScheme::Ecdsa => match profile.ecdsa {
            Hashing::Raw => (Operation::Ecdsa, Input::Digest),
            Hashing::HashInToken => (Operation::EcdsaHashing, Input::Data),
            Hashing::Off => return None,
        },
        SignatureScheme::Eddsa => match profile.eddsa {
            EddsaSigning::Data => (Operation::Eddsa, Input::Data),
            EddsaSigning::Off => return None,
        },
        SignatureScheme::MlDsa => match profile.ml_dsa {
            MlDsaSigning::Data => (Operation::MlDsa, Input::Data),
            MlDsaSigning::Off => return None,
        },
    };
    let plan = Plan { operation, digest: algorithm.digest(), input };
    let wanted = plan.mechanism().mechanism_type();
    match offered {
        Some(offered) if !offered.contains(&wanted) => None,
        _ => Some(plan),
    }
}

impl Plan {
    /// The mechanism with its parameters.
    pub(crate) fn mechanism(&self) -> Mechanism<'static> {
        use DigestAlgorithm::{Sha256, Sha384, Sha512};
        let pss = pss_parameters(self.digest);
        match (self.operation, self.digest) {
            (Operation::RsaPkcs1, _) => Mechanism::RsaPkcs,
            (Operation::RsaPkcs1Hashing, Sha256) => Mechanism::Sha256RsaPkcs,
            (Operation::RsaPkcs1Hashing, Sha384) => Mechanism::Sha384RsaPkcs,
            (Operation::RsaPkcs1Hashing, Sha512) => Mechanism::Sha512RsaPkcs,
            (Operation::RsaPss, _) => Mechanism::RsaPkcsPss(pss),
            (Operation::RsaPssHashing, Sha256) => Mechanism::Sha256RsaPkcsPss(pss),
            (Operation::RsaPssHashing, Sha384) => Mechanism::Sha384RsaPkcsPss(pss),
            (Operation::RsaPssHashing, Sha512) => Mechanism::Sha512RsaPkcsPss(pss),
            (Operation::Ecdsa, _) => Mechanism::Ecdsa,
            (Operation::EcdsaHashing, Sha256) => Mechanism::EcdsaSha256,
            (Operation::EcdsaHashing, Sha384) => Mechanism::EcdsaSha384,
            (Operation::EcdsaHashing, Sha512) => Mechanism::EcdsaSha512,
            // Pure Ed25519 has no parameters (PKCS#11 3.0, section 2.3.14).
            (Operation::Eddsa, _) => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)),
            // No parameters (PKCS#11 3.2, CKM_ML_DSA): no context, and hedged where the device can.
            (Operation::MlDsa, _) => Mechanism::MlDsa(SignAdditionalContext::new(HedgeType::Preferred, None)),
        }
    }
}

fn pss_parameters(digest: DigestAlgorithm) -> PkcsPssParams {
    let (hash_alg, mgf, s_len) = match digest {
        DigestAlgorithm::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32),
        DigestAlgorithm::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384, 48),
        DigestAlgorithm::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 64),
    };
    PkcsPssParams { hash_alg, mgf, s_len: s_len.into() }
}

/// DER `DigestInfo` with NULL parameters (RFC 8017, section 9.2, note 1).
pub(crate) fn digest_info(digest: DigestAlgorithm, value: &[u8]) -> Vec<u8> {
    let (total, identifier, length) = match digest {
        DigestAlgorithm::Sha256 => (0x31, 0x01, 0x20),
        DigestAlgorithm::Sha384 => (0x41, 0x02, 0x30),
        DigestAlgorithm::Sha512 => (0x51, 0x03, 0x40),
    };
    let mut info =
        vec![0x30, total, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, identifier];
    info.extend([0x05, 0x00, 0x04, length]);
    info.extend(value);
    info
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::TokenProfile;

    fn sign(overrides: &str) -> Sign {
        TokenProfile::load("generic", &overrides.parse().unwrap()).unwrap().sign
    }

    fn algorithm(spec: KeySpec, scheme: SignatureScheme) -> SignatureAlgorithm {
        SignatureAlgorithm::for_key(spec, Some(scheme), None).unwrap()
    }

    #[test]
    fn a_mechanism_that_the_device_does_not_list_is_not_chosen() {
        let pss = algorithm(KeySpec::Rsa2048, SignatureScheme::RsaPss);
        let only_pkcs1 = [MechanismType::RSA_PKCS];
        assert!(choose(&sign(""), Some(&only_pkcs1), KeySpec::Rsa2048, pss).is_none());
        assert!(choose(&sign(""), Some(&[MechanismType::RSA_PKCS_PSS]), KeySpec::Rsa2048, pss).is_some());
        assert!(choose(&sign(""), None, KeySpec::Rsa2048, pss).is_some());
    }

    #[test]
    fn the_profile_decides_who_hashes_and_what_is_off() {
        let pkcs1 = algorithm(KeySpec::Rsa2048, SignatureScheme::RsaPkcs1);
        let plan = |overrides| choose(&sign(overrides), None, KeySpec::Rsa2048, pkcs1);
        let raw = plan("").unwrap();
        assert_eq!((raw.input, raw.mechanism().mechanism_type()), (Input::DigestInfo, MechanismType::RSA_PKCS));
        let hashing = plan("'sign.rsa_pkcs1' = 'hash_in_token'").unwrap();
        assert_eq!(
            (hashing.input, hashing.mechanism().mechanism_type()),
            (Input::Data, MechanismType::SHA256_RSA_PKCS)
        );
        assert!(plan("'sign.rsa_pkcs1' = 'off'").is_none());
    }

    #[test]
    fn a_key_of_another_kind_has_no_plan() {
        let ecdsa = algorithm(KeySpec::EcP256, SignatureScheme::Ecdsa);
        assert!(choose(&sign(""), None, KeySpec::Rsa2048, ecdsa).is_none());
    }
}
