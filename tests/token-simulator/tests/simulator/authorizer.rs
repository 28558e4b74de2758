//! Sigillo's side of key authorisation against the simulated device, which has OpenSSL judge every signature of a KAK.

use std::time::{Duration, Instant};

use cryptotoken::Pkcs11Token;
use cryptotoken::lifecycle::{generate, self_test};
use cryptotoken_api::{
    AuthorizationChallenge, AuthorizationProtocol, AuthorizationStep, CryptoToken, KeyInfo, KeyLocation, KeySpec,
    PublicKey, SignatureAlgorithm, SignerError, TokenError,
};

use crate::bench::{Bench, simulator_test};
use crate::kak::{Kak, PKCS1, PSS};
use crate::programs::open_with_pin;

const OVERRIDE: &str =
    "'module.env_required' = [], 'key_authorization.unauthorized_errors' = ['CKR_KEY_FUNCTION_NOT_PERMITTED']";

fn open(bench: &Bench, simulated: &str, more: &str) -> (Pkcs11Token, KeyInfo, KeyLocation) {
    bench.configure(&format!("[identity]\nlibrary_manufacturer = 'Utimaco IS GmbH'\n[key_authorization]\n{simulated}"));
    let token = open_with_pin(bench, "utimaco-cp5", &format!("override = {{ {OVERRIDE}{more} }}"));
    let key = generate(&token, &"seal".parse().unwrap(), KeySpec::Rsa2048).unwrap();
    let location = KeyLocation { token: "hsm".into(), alias: key.label.parse().unwrap(), id: key.id.clone() };
    (token, key, location)
}

fn public(kak: &Kak) -> PublicKey {
    PublicKey::from_spki_der(&kak.public_der()).unwrap()
}

fn sign(token: &Pkcs11Token, key: &KeyInfo, location: &KeyLocation) -> Result<(), SignerError> {
    let algorithm = SignatureAlgorithm::for_key(KeySpec::Rsa2048, None, None).unwrap();
    let signer = token.signer(location, KeySpec::Rsa2048, algorithm).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    match self_test(signer.as_ref(), key.public_key.as_ref().unwrap(), deadline) {
        Ok(()) => Ok(()),
        Err(cryptotoken::lifecycle::SelfTestFailure::Signer(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

/// Asks a KAK that checks with the library's own words what it signs.
fn perform(
    token: &Pkcs11Token,
    location: &KeyLocation,
    step: AuthorizationStep<'_>,
    kak: &Kak,
) -> Result<(), TokenError> {
    let protocol =
        if kak.protocol() == PSS { AuthorizationProtocol::RsaPssSha256 } else { AuthorizationProtocol::RsaPkcs1Sha256 };
    let mut signed = |challenge: &AuthorizationChallenge| {
        let signature = kak.sign(challenge.hash().digest());
        assert!(challenge.is_signed_by(&public(kak), protocol, &signature));
        Ok(signature)
    };
    token.key_authorizer().unwrap().perform(location, step, &mut signed)
}

fn authorize(count: Option<u64>) -> AuthorizationStep<'static> {
    AuthorizationStep::Authorize { count }
}

simulator_test!(sigillo_initialises_authorises_and_signs_as_often_as_it_may, |bench: &Bench| {
    for (run, number, protocol) in
        [(0, PSS, AuthorizationProtocol::RsaPssSha256), (1, PKCS1, AuthorizationProtocol::RsaPkcs1Sha256)]
    {
        let kak = Kak::new(2048, number);
        let (token, key, location) = open(bench, "leading_zero = 'required'", "");
        let unauthorised = sign(&token, &key, &location).unwrap_err();
        assert!(matches!(unauthorised, SignerError::NotAuthorized { .. }), "{unauthorised}");
        assert!(unauthorised.to_string().contains("sigillo key authorize --token hsm --alias seal"), "{unauthorised}");
        let initialize = AuthorizationStep::Initialize { kak: &public(&kak), protocol, assigned: true };
        perform(&token, &location, initialize, &kak).unwrap();
        perform(&token, &location, authorize(Some(2)), &kak).unwrap();
        assert_eq!((0..4).filter(|_| sign(&token, &key, &location).is_ok()).count(), 2, "run {run}");
        perform(&token, &location, authorize(None), &kak).unwrap();
        assert_eq!((0..4).filter(|_| sign(&token, &key, &location).is_ok()).count(), 4, "run {run}");
        token.destroy_key(&location).unwrap();
    }
});

simulator_test!(what_the_device_refuses_is_said_and_what_the_holder_refuses_reaches_no_device, |bench: &Bench| {
    let kak = Kak::new(2048, PSS);
    let (token, key, location) = open(bench, "attempts = 2", "");
    let protocol = AuthorizationProtocol::RsaPssSha256;
    let initialize = AuthorizationStep::Initialize { kak: &public(&kak), protocol, assigned: true };
    perform(&token, &location, initialize, &kak).unwrap();
    let device = perform(&token, &location, initialize, &kak).unwrap_err();
    assert!(matches!(&device, TokenError::Device { code, .. } if code == "CKR_ACTION_PROHIBITED"), "{device}");
    let completed = bench.count("CP5_KeyAuthorization");
    let mut refuses = |_: &AuthorizationChallenge| Err(TokenError::Refused("nobody is here".into()));
    let refused = token.key_authorizer().unwrap().perform(&location, authorize(Some(1)), &mut refuses).unwrap_err();
    assert_eq!(refused.to_string(), "nobody is here");
    assert_eq!(bench.count("CP5_KeyAuthorization"), completed);
    // Blocked by wrong signatures, and authorised again after it is unblocked.
    for _ in 0..2 {
        let mut wrong = |challenge: &AuthorizationChallenge| Ok(Kak::new(2048, PSS).sign(challenge.hash().digest()));
        token.key_authorizer().unwrap().perform(&location, authorize(Some(1)), &mut wrong).unwrap_err();
    }
    perform(&token, &location, authorize(Some(1)), &kak).unwrap_err();
    token.key_authorizer().unwrap().unblock(&location).unwrap();
    perform(&token, &location, authorize(Some(1)), &kak).unwrap();
    sign(&token, &key, &location).unwrap();
});

simulator_test!(a_number_that_nobody_verified_is_asked_for_and_warned_of, |bench: &Bench| {
    let (kak, new) = (Kak::new(2048, PSS), Kak::new(3072, PSS));
    let (new_public, protocol) = (public(&new), AuthorizationProtocol::RsaPssSha256);
    let change = AuthorizationStep::Change { kak: &new_public, protocol };
    let (token, _, location) = open(bench, "change = 0x8000C953", "");
    let refused = perform(&token, &location, change, &kak).unwrap_err().to_string();
    assert!(
        refused.contains("key_authorization.change_mechanism") && refused.contains("[token.override]"),
        "{refused}"
    );
    assert_eq!(bench.count("CP5_KeyAuthorizationInit"), 0);
    token.destroy_key(&location).unwrap();

    let (token, key, location) =
        open(bench, "change = 0x8000C953", ", 'key_authorization.change_mechanism' = 0x8000C953");
    let warnings = token.key_authorizer().unwrap().unverified(change);
    assert!(warnings.iter().any(|warning| warning.contains("change_mechanism = 0x8000c953")), "{warnings:?}");
    let initialize = AuthorizationStep::Initialize { kak: &public(&kak), protocol, assigned: true };
    perform(&token, &location, initialize, &kak).unwrap();
    perform(&token, &location, change, &new).unwrap_err();
    perform(&token, &location, change, &kak).unwrap();
    perform(&token, &location, authorize(Some(1)), &kak).unwrap_err();
    perform(&token, &location, authorize(Some(1)), &new).unwrap();
    sign(&token, &key, &location).unwrap();
    // As a count, the number for "without limit" would be none.
    for count in [0, 0xFFFF_FFFF] {
        let refused = perform(&token, &location, authorize(Some(count)), &new).unwrap_err();
        assert!(matches!(refused, TokenError::Refused(_)), "{refused}");
    }
});
