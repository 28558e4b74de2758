//! Keys and signatures, judged by `openssl` and looked at by `pkcs11-tool`.

use cryptotoken::Pkcs11Token;
use cryptotoken::lifecycle::{check_attributes, destroy, generate, self_test};
use cryptotoken_api::{
    CryptoToken, DataToBeSigned, DigestAlgorithm, KeyInfo, KeySpec, SignatureAlgorithm, SignatureScheme, SignerError,
    ToBeSigned, TokenError,
};

use crate::bench::{Bench, default_signer, location, made_by_softhsm, openssl, run, softhsm_test, soon};

softhsm_test!(every_kind_of_key_signs_with_every_algorithm_and_openssl_agrees, |bench| {
    let token = bench.token("");
    for spec in made_by_softhsm() {
        let key = generate(&token, &format!("key-{spec}").parse().unwrap(), spec).unwrap();
        assert_eq!(key.public_key.as_ref().unwrap().spec(), spec);
        for algorithm in algorithms(spec) {
            assert_openssl_verifies(bench, &token, &key, algorithm);
        }
        let signer = default_signer(&token, &key, spec);
        self_test(signer.as_ref(), key.public_key.as_ref().unwrap(), soon()).unwrap();
    }
    let keys = token.keys().unwrap();
    assert_eq!(keys.len(), made_by_softhsm().count());
    for key in &keys {
        assert!(check_attributes(&key.attributes).is_empty(), "{}: {:?}", key.label, key.attributes);
        assert_eq!(key.public_key.as_ref().unwrap().spec().name(), key.label.strip_prefix("key-").unwrap());
        assert_eq!(key.id.as_bytes().len(), 20);
        assert!(token.public_key(&location(key)).unwrap().same_key(key.public_key.as_ref().unwrap()));
    }
});

softhsm_test!(each_of_many_keys_is_searched_once_and_not_once_for_each_session, |bench| {
    bench.initialize();
    let token = bench.open(&format!("library = {:?}\nsessions = 4", crate::bench::spy())).unwrap();
    let keys: Vec<_> = (0..40)
        .map(|number| generate(&token, &format!("key-{number}").parse().unwrap(), KeySpec::EcP256).unwrap())
        .collect();
    let signs = |key: &KeyInfo| {
        let signer = default_signer(&token, key, KeySpec::EcP256);
        self_test(signer.as_ref(), key.public_key.as_ref().unwrap(), soon()).unwrap();
    };
    let before = bench.calls("C_FindObjectsInit");
    keys.iter().for_each(signs);
    assert_eq!(bench.calls("C_FindObjectsInit") - before, keys.len());
    let sessions = bench.calls("C_OpenSession");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| keys.iter().for_each(signs));
        }
    });
    assert!(bench.calls("C_OpenSession") > sessions, "several sessions signed");
    assert_eq!(bench.calls("C_FindObjectsInit") - before, keys.len(), "each key is searched once");
});

softhsm_test!(a_kind_of_key_whose_mechanism_the_device_lacks_is_refused_by_the_name_of_the_mechanism, |bench| {
    let token = bench.token("");
    let refusal = generate(&token, &"seal".parse().unwrap(), KeySpec::MlDsa65).unwrap_err().to_string();
    assert!(refusal.contains("ml-dsa-65") && refusal.contains("CKM_ML_DSA_KEY_PAIR_GEN"), "{refusal}");
    let key = generate(&token, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap();
    let algorithm = SignatureAlgorithm::for_key(KeySpec::MlDsa65, None, None).unwrap();
    let refusal = token.signer(&location(&key), KeySpec::MlDsa65, algorithm).err().unwrap();
    assert!(matches!(refusal, SignerError::UnsupportedAlgorithm { .. }), "{refusal}");
});

fn algorithms(spec: KeySpec) -> Vec<SignatureAlgorithm> {
    let all = SignatureScheme::ALL.into_iter().flat_map(|scheme| DigestAlgorithm::ALL.map(|digest| (scheme, digest)));
    all.filter_map(|(scheme, digest)| SignatureAlgorithm::for_key(spec, Some(scheme), Some(digest)).ok()).collect()
}

fn assert_openssl_verifies(bench: &Bench, token: &Pkcs11Token, key: &KeyInfo, algorithm: SignatureAlgorithm) {
    let public = key.public_key.as_ref().unwrap();
    let signer = token.signer(&location(key), public.spec(), algorithm).unwrap();
    let data = DataToBeSigned::new(format!("{algorithm} over some data").into_bytes());
    let value = signer.sign(ToBeSigned::Data(&data), soon()).unwrap();
    let octets = match algorithm.scheme() {
        SignatureScheme::Ecdsa => value.to_ecdsa_der().unwrap(),
        _ => value.as_bytes().to_vec(),
    };
    let input = bench.write("data", data.as_bytes());
    let other = bench.write("other", b"other data");
    let signature = bench.write("signature", &octets);
    bench.write("public.der", public.spki_der());
    let pem = bench.path("public.pem");
    openssl(&["pkey", "-pubin", "-inform", "DER", "-in", &bench.path("public.der"), "-out", &pem]);
    let digest = format!("-{}", algorithm.digest().name().replace("SHA-", "sha"));
    let verify = |input: &str| match algorithm.scheme() {
        SignatureScheme::Eddsa => run(
            "openssl",
            &["pkeyutl", "-verify", "-pubin", "-inkey", &pem, "-rawin", "-in", input, "-sigfile", &signature],
        ),
        SignatureScheme::RsaPss => {
            let (pss, salt) = ("rsa_padding_mode:pss", "rsa_pss_saltlen:digest");
            let options = ["-sigopt", pss, "-sigopt", salt];
            let all = [&["dgst", &digest, "-verify", &pem, "-signature", &signature], &options[..], &[input]].concat();
            run("openssl", &all)
        }
        _ => run("openssl", &["dgst", &digest, "-verify", &pem, "-signature", &signature, input]),
    };
    verify(&input).unwrap_or_else(|text| panic!("{algorithm} with {}: {text}", public.spec()));
    assert!(verify(&other).is_err(), "{algorithm}: openssl accepts other data");
}

softhsm_test!(a_digest_is_signed_where_the_token_needs_no_data_and_must_be_of_the_right_algorithm, |bench| {
    let token = bench.token("");
    let data = DataToBeSigned::new(b"data".to_vec());
    let sha256 = data.representation(DigestAlgorithm::Sha256);
    let key = generate(&token, &"rsa".parse().unwrap(), KeySpec::Rsa2048).unwrap();
    let signer = default_signer(&token, &key, KeySpec::Rsa2048);
    // PKCS#1 v1.5 is deterministic, so both ways must give the same value.
    let by_digest = signer.sign(ToBeSigned::Representation(&sha256), soon()).unwrap();
    assert_eq!(by_digest, signer.sign(ToBeSigned::Data(&data), soon()).unwrap());
    let sha512 = data.representation(DigestAlgorithm::Sha512);
    let refusal = signer.sign(ToBeSigned::Representation(&sha512), soon()).unwrap_err();
    assert!(matches!(refusal, SignerError::DigestMismatch { .. }), "{refusal}");
    let key = generate(&token, &"edwards".parse().unwrap(), KeySpec::Ed25519).unwrap();
    let signer = default_signer(&token, &key, KeySpec::Ed25519);
    let refusal = signer.sign(ToBeSigned::Representation(&sha512), soon()).unwrap_err();
    assert!(matches!(refusal, SignerError::DataRequired), "{refusal}");
});

softhsm_test!(a_token_that_hashes_by_itself_gets_the_data_and_refuses_digests, |bench| {
    let token =
        bench.token("override = { \"sign.rsa_pkcs1\" = \"hash_in_token\", \"sign.rsa_pss\" = \"hash_in_token\" }");
    assert!(token.status().overridden);
    let key = generate(&token, &"rsa".parse().unwrap(), KeySpec::Rsa2048).unwrap();
    for algorithm in algorithms(KeySpec::Rsa2048) {
        assert_openssl_verifies(bench, &token, &key, algorithm);
    }
    let signer = default_signer(&token, &key, KeySpec::Rsa2048);
    let digest = DataToBeSigned::new(vec![]).representation(DigestAlgorithm::Sha256);
    let refusal = signer.sign(ToBeSigned::Representation(&digest), soon()).unwrap_err();
    assert!(matches!(refusal, SignerError::DataRequired), "{refusal}");
});

softhsm_test!(a_mechanism_that_the_device_lacks_is_refused_before_anything_is_signed, |bench| {
    // SoftHSM 2.6 has no ECDSA with hashing.
    let token = bench.token("override = { \"sign.ecdsa\" = \"hash_in_token\" }");
    let key = generate(&token, &"ec".parse().unwrap(), KeySpec::EcP256).unwrap();
    let algorithm = SignatureAlgorithm::for_key(KeySpec::EcP256, None, None).unwrap();
    let refusal = token.signer(&location(&key), KeySpec::EcP256, algorithm).err().unwrap();
    assert!(matches!(refusal, SignerError::UnsupportedAlgorithm { .. }), "{refusal}");
});

softhsm_test!(an_ed25519_key_is_made_under_either_name_of_its_curve, |bench| {
    let token = bench.token("override = { \"keygen.eddsa_params\" = \"oid\" }");
    let key = generate(&token, &"edwards".parse().unwrap(), KeySpec::Ed25519).unwrap();
    let algorithm = SignatureAlgorithm::for_key(KeySpec::Ed25519, None, None).unwrap();
    assert_openssl_verifies(bench, &token, &key, algorithm);
});

softhsm_test!(a_taken_alias_is_refused_and_the_first_key_stays, |bench| {
    let token = bench.token("");
    let first = generate(&token, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap();
    let refusal = generate(&token, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap_err();
    assert!(matches!(&refusal, TokenError::Refused(reason) if reason.contains("\"seal\"")), "{refusal}");
    let keys = token.keys().unwrap();
    assert_eq!(keys.iter().map(|key| &key.id).collect::<Vec<_>>(), [&first.id]);
});

softhsm_test!(a_key_that_could_leave_the_token_is_refused_and_destroyed_again, |bench| {
    let token = bench.token("override = { \"keygen.private_template.CKA_EXTRACTABLE\" = true }");
    let refusal = generate(&token, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap_err().to_string();
    assert!(
        refusal.contains("CKA_EXTRACTABLE is true") && refusal.contains("CKA_NEVER_EXTRACTABLE is false"),
        "{refusal}"
    );
    assert!(refusal.contains("destroyed again"), "{refusal}");
    assert!(token.keys().unwrap().is_empty());
    assert!(!bench.pkcs11_tool(&["--list-objects"]).contains("seal"), "the public half is gone too");
});

softhsm_test!(a_foreign_key_with_two_wrong_attributes_is_named_for_both, |bench| {
    let token = bench.token("");
    bench.pkcs11_tool(&[
        "--keypairgen",
        "--key-type",
        "EC:prime256v1",
        "--id",
        "0102",
        "--label",
        "foreign",
        "--extractable",
    ]);
    let keys = token.keys().unwrap();
    let problems: Vec<_> = check_attributes(&keys[0].attributes).iter().map(ToString::to_string).collect();
    assert!(problems.contains(&"CKA_EXTRACTABLE is true".to_owned()), "{problems:?}");
    assert!(problems.contains(&"CKA_NEVER_EXTRACTABLE is false".to_owned()), "{problems:?}");
});

softhsm_test!(a_destroyed_key_leaves_nothing_behind_and_a_wrong_name_destroys_nothing, |bench| {
    let token = bench.token("");
    let key = generate(&token, &"seal".parse().unwrap(), KeySpec::EcP256).unwrap();
    let signer = default_signer(&token, &key, KeySpec::EcP256);
    let data = DataToBeSigned::new(b"data".to_vec());
    signer.sign(ToBeSigned::Data(&data), soon()).unwrap();
    let mut wrong = location(&key);
    wrong.alias = "other".parse().unwrap();
    assert!(matches!(destroy(&token, &wrong), Err(TokenError::Refused(_))));
    assert_eq!(token.keys().unwrap().len(), 1);
    destroy(&token, &location(&key)).unwrap();
    assert!(!bench.pkcs11_tool(&["--list-objects"]).contains("seal"));
    let gone = signer.sign(ToBeSigned::Data(&data), soon()).unwrap_err();
    assert!(matches!(gone, SignerError::KeyNotFound { .. }), "{gone}");
});

softhsm_test!(keys_of_other_programs_are_listed_while_the_token_is_open, |bench| {
    let token = bench.token("");
    assert!(token.keys().unwrap().is_empty(), "a token without keys is healthy");
    for (kind, spec) in
        [("rsa:3072", KeySpec::Rsa3072), ("EC:secp384r1", KeySpec::EcP384), ("EC:edwards25519", KeySpec::Ed25519)]
    {
        bench.pkcs11_tool(&["--keypairgen", "--key-type", kind, "--id", "aa01", "--label", "foreign"]);
        let keys = token.keys().unwrap();
        assert_eq!((keys.len(), keys[0].label.as_str()), (1, "foreign"));
        let key = &keys[0];
        assert_eq!(key.public_key.as_ref().unwrap().spec(), spec);
        let algorithm = SignatureAlgorithm::for_key(spec, None, None).unwrap();
        assert_openssl_verifies(bench, &token, key, algorithm);
        // Without its public object an RSA key still tells; of the others a certificate would.
        bench.pkcs11_tool(&["--delete-object", "--type", "pubkey", "--id", "aa01"]);
        assert_eq!(token.keys().unwrap()[0].public_key.is_some(), spec.is_rsa());
        bench.pkcs11_tool(&["--delete-object", "--type", "privkey", "--id", "aa01"]);
    }
});
