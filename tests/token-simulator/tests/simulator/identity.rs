//! What the device says of itself, and logins that are not just a PIN.

use cryptoki::error::RvError;
use cryptoki::session::UserType;

use crate::bench::{USER_PIN, code, pin, simulator_test, slot};

simulator_test!(library_slot_and_token_say_what_is_configured, |bench| {
    bench.configure(
        "[identity]\nlibrary_manufacturer = 'Maker'\nlibrary_description = 'Library'\nlibrary_version = '7.3'\n\
         manufacturer = 'Maker of tokens'\nmodel = 'CP5'\nserial = 'CS900123'\nfirmware = '5.1'\nhardware = '4.2'\n\
         slot_description = 'A slot'\n[sessions]\nlimit = 5",
    );
    let module = bench.module();
    let library = module.get_library_info().unwrap();
    assert_eq!((library.manufacturer_id(), library.library_description()), ("Maker", "Library"));
    assert_eq!((library.library_version().major(), library.library_version().minor()), (7, 3));
    let slot = slot(&module);
    assert_eq!(module.get_slot_info(slot).unwrap().slot_description(), "A slot");
    let token = module.get_token_info(slot).unwrap();
    assert_eq!((token.manufacturer_id(), token.model(), token.serial_number()), ("Maker of tokens", "CP5", "CS900123"));
    assert_eq!((token.firmware_version().major(), token.hardware_version().minor()), (5, 2));
    assert_eq!(token.label(), "sigillo");
    assert!(matches!(token.max_session_count(), cryptoki::slot::Limit::Max(5)));
    // The free slot of SoftHSM is another token: it must not have the same serial number.
    let serials = module.get_all_slots().unwrap().into_iter().map(|slot| module.get_token_info(slot).unwrap());
    assert_eq!(serials.filter(|token| token.serial_number() == "CS900123").count(), 1);
});

simulator_test!(what_is_not_configured_is_as_softhsm_says, |bench| {
    let module = bench.module();
    assert!(module.get_library_info().unwrap().manufacturer_id().contains("SoftHSM"));
    assert!(module.get_token_info(slot(&module)).unwrap().model().contains("SoftHSM"));
    assert_eq!(module.get_all_slots().unwrap().len(), 2);
    bench.configure("[identity]\nhide_uninitialized = true");
    assert_eq!(module.get_all_slots().unwrap(), [slot(&module)]);
});

simulator_test!(a_clock_without_a_time_spoils_the_token_info_as_on_opencryptoki, |bench| {
    let module = bench.module();
    let slot = slot(&module);
    bench.configure("[identity]\nclock = ''\nzero_padding = true");
    assert!(module.get_token_info(slot).is_err());
});

simulator_test!(a_vendors_user_type_and_a_prefix_before_the_pin_are_needed_where_configured, |bench| {
    bench.configure("[login]\nuser_types = [0x83]\npin_prefix = 'operator:'");
    let module = bench.module();
    let session = module.open_rw_session(slot(&module)).unwrap();
    assert_eq!(code(session.login(UserType::User, Some(&pin(USER_PIN)))), RvError::PinIncorrect);
    let whole = pin(&format!("operator:{USER_PIN}"));
    session.login(UserType::User, Some(&whole)).unwrap();
    session.logout().unwrap();
    session.login(UserType::VendorExtension(0x83), Some(&whole)).unwrap();
    session.logout().unwrap();
    assert!(session.login(UserType::VendorExtension(0x84), Some(&whole)).is_err());
    bench.configure("[login]\nrefused = 'CKR_USER_TYPE_INVALID'");
    assert_eq!(code(session.login(UserType::User, Some(&whole))), RvError::UserTypeInvalid);
    assert_eq!(bench.count("C_Login"), 5);
});
