//! Every function of PKCS#11 2.40: most go straight on to the real module, those with `=>` are simulated.

use std::ffi::c_void;

use cryptoki_sys::*;

use crate::gate::{Incoming, pass, real};
use crate::{
    authorization, device, ec, identity, login, mechanisms, reading, sessions, signing, templates, visibility,
};

macro_rules! act {
    ($call:ident, $name:ident, ($($argument:ident),*)) => { real!($call, $name($($argument),*)) };
    // SAFETY: the arguments are the application's, as the handler expects them.
    ($call:ident, $name:ident, ($($argument:ident),*), $handler:path) => { unsafe { $handler($call, $($argument),*) } };
}

// `NAME(arguments) in SESSION, asking for a length when EXPRESSION => HANDLER`
macro_rules! functions {
    ($($name:ident($($argument:ident: $type:ty),* $(,)?) $(in $session:ident)? $(, asking when $asks:expr)? $(=> $handler:path)?;)*) => {
        $(
            #[expect(non_snake_case, reason = "the standard's name")]
            unsafe extern "C" fn $name($($argument: $type),*) -> CK_RV {
                let session = None::<CK_SESSION_HANDLE>$(.or(Some($session)))?;
                let incoming = Incoming { function: stringify!($name), session, asks_length: false $(|| $asks)? };
                pass(&incoming, |call| act!(call, $name, ($($argument),*) $(, $handler)?))
            }
        )*

        /// What `C_GetFunctionList` gives.
        pub(crate) static FUNCTIONS: CK_FUNCTION_LIST = CK_FUNCTION_LIST {
            version: CK_VERSION { major: 2, minor: 40 },
            C_Initialize: Some(device::initialize),
            C_Finalize: Some(device::finalize),
            C_GetFunctionList: Some(crate::C_GetFunctionList),
            $($name: Some($name),)*
        };

        /// The functions that a fault can name.
        pub(crate) const NAMES: &[&str] = &[
            "C_Initialize", "C_Finalize",
            "CP5_KeyAuthorizationInit", "CP5_KeyAuthorization", "CP5_UnblockKey", "CP5_BackupObject", "CP5_RestoreObject",
            $(stringify!($name)),*
        ];
    };
}

type Session = CK_SESSION_HANDLE;
type Object = CK_OBJECT_HANDLE;
type In = *mut CK_BYTE;
type Out = *mut CK_BYTE;
type Length = CK_ULONG;
type OutLength = *mut CK_ULONG;
type Mechanism = *mut CK_MECHANISM;
type Template = *mut CK_ATTRIBUTE;

functions! {
    C_GetInfo(info: *mut CK_INFO) => identity::info;
    C_GetSlotList(present: CK_BBOOL, slots: *mut CK_SLOT_ID, count: OutLength) => identity::slot_list;
    C_GetSlotInfo(slot: CK_SLOT_ID, info: *mut CK_SLOT_INFO) => identity::slot_info;
    C_GetTokenInfo(slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO) => identity::token_info;
    C_GetMechanismList(slot: CK_SLOT_ID, list: *mut CK_MECHANISM_TYPE, count: OutLength) => mechanisms::list;
    C_GetMechanismInfo(slot: CK_SLOT_ID, mechanism: CK_MECHANISM_TYPE, info: *mut CK_MECHANISM_INFO) => mechanisms::info;
    C_InitToken(slot: CK_SLOT_ID, pin: In, length: Length, label: In);
    C_InitPIN(session: Session, pin: In, length: Length) in session;
    C_SetPIN(session: Session, old: In, old_length: Length, new: In, new_length: Length) in session;
    C_OpenSession(slot: CK_SLOT_ID, flags: CK_FLAGS, application: *mut c_void, notify: CK_NOTIFY, session: *mut Session) => sessions::open;
    C_CloseSession(session: Session) => sessions::close;
    C_CloseAllSessions(slot: CK_SLOT_ID) => sessions::close_slot;
    C_GetSessionInfo(session: Session, info: *mut CK_SESSION_INFO) in session => sessions::info;
    C_GetOperationState(session: Session, state: Out, length: OutLength) in session;
    C_SetOperationState(session: Session, state: In, length: Length, encryption: Object, authentication: Object) in session;
    C_Login(session: Session, user: CK_USER_TYPE, pin: In, length: Length) in session => login::log_in;
    C_Logout(session: Session) in session;
    C_CreateObject(session: Session, template: Template, count: Length, object: *mut Object) in session => templates::create;
    C_CopyObject(session: Session, object: Object, template: Template, count: Length, copy: *mut Object) in session => templates::copy;
    C_DestroyObject(session: Session, object: Object) in session => authorization::destroy;
    C_GetObjectSize(session: Session, object: Object, size: OutLength) in session;
    C_GetAttributeValue(session: Session, object: Object, template: Template, count: Length) in session => reading::read;
    C_SetAttributeValue(session: Session, object: Object, template: Template, count: Length) in session => templates::change;
    C_FindObjectsInit(session: Session, template: Template, count: Length) in session;
    C_FindObjects(session: Session, objects: *mut Object, room: Length, count: OutLength) in session => visibility::find;
    C_FindObjectsFinal(session: Session) in session;
    C_EncryptInit(session: Session, mechanism: Mechanism, key: Object) in session => mechanisms::encrypt_init;
    C_Encrypt(session: Session, data: In, length: Length, out: Out, out_length: OutLength) in session, asking when out.is_null();
    C_EncryptUpdate(session: Session, data: In, length: Length, out: Out, out_length: OutLength) in session;
    C_EncryptFinal(session: Session, out: Out, out_length: OutLength) in session;
    C_DecryptInit(session: Session, mechanism: Mechanism, key: Object) in session => mechanisms::decrypt_init;
    C_Decrypt(session: Session, data: In, length: Length, out: Out, out_length: OutLength) in session, asking when out.is_null();
    C_DecryptUpdate(session: Session, data: In, length: Length, out: Out, out_length: OutLength) in session;
    C_DecryptFinal(session: Session, out: Out, out_length: OutLength) in session;
    C_DigestInit(session: Session, mechanism: Mechanism) in session => mechanisms::digest_init;
    C_Digest(session: Session, data: In, length: Length, out: Out, out_length: OutLength) in session, asking when out.is_null();
    C_DigestUpdate(session: Session, data: In, length: Length) in session;
    C_DigestKey(session: Session, key: Object) in session;
    C_DigestFinal(session: Session, out: Out, out_length: OutLength) in session;
    C_SignInit(session: Session, mechanism: Mechanism, key: Object) in session => signing::init;
    C_Sign(session: Session, data: In, length: Length, out: Out, out_length: OutLength) in session, asking when out.is_null() => signing::sign;
    C_SignUpdate(session: Session, data: In, length: Length) in session;
    C_SignFinal(session: Session, out: Out, out_length: OutLength) in session, asking when out.is_null() => signing::sign_final;
    C_SignRecoverInit(session: Session, mechanism: Mechanism, key: Object) in session => mechanisms::sign_recover_init;
    C_SignRecover(session: Session, data: In, length: Length, out: Out, out_length: OutLength) in session, asking when out.is_null();
    C_VerifyInit(session: Session, mechanism: Mechanism, key: Object) in session => ec::verify_init;
    C_Verify(session: Session, data: In, length: Length, signature: In, signature_length: Length) in session => ec::verify;
    C_VerifyUpdate(session: Session, data: In, length: Length) in session;
    C_VerifyFinal(session: Session, signature: In, length: Length) in session;
    C_VerifyRecoverInit(session: Session, mechanism: Mechanism, key: Object) in session;
    C_VerifyRecover(session: Session, signature: In, length: Length, out: Out, out_length: OutLength) in session, asking when out.is_null();
    C_DigestEncryptUpdate(session: Session, data: In, length: Length, out: Out, out_length: OutLength) in session;
    C_DecryptDigestUpdate(session: Session, data: In, length: Length, out: Out, out_length: OutLength) in session;
    C_SignEncryptUpdate(session: Session, data: In, length: Length, out: Out, out_length: OutLength) in session;
    C_DecryptVerifyUpdate(session: Session, data: In, length: Length, out: Out, out_length: OutLength) in session;
    C_GenerateKey(session: Session, mechanism: Mechanism, template: Template, count: Length, key: *mut Object) in session => templates::generate;
    C_GenerateKeyPair(
        session: Session, mechanism: Mechanism, public: Template, public_count: Length, private: Template, private_count: Length,
        public_key: *mut Object, private_key: *mut Object,
    ) in session => templates::generate_pair;
    C_WrapKey(session: Session, mechanism: Mechanism, wrapping: Object, key: Object, out: Out, out_length: OutLength) in session, asking when out.is_null();
    C_UnwrapKey(
        session: Session, mechanism: Mechanism, unwrapping: Object, wrapped: In, length: Length, template: Template, count: Length,
        key: *mut Object,
    ) in session => mechanisms::unwrap;
    C_DeriveKey(session: Session, mechanism: Mechanism, base: Object, template: Template, count: Length, key: *mut Object) in session => mechanisms::derive;
    C_SeedRandom(session: Session, seed: In, length: Length) in session;
    C_GenerateRandom(session: Session, random: Out, length: Length) in session;
    C_GetFunctionStatus(session: Session) in session;
    C_CancelFunction(session: Session) in session;
    C_WaitForSlotEvent(flags: CK_FLAGS, slot: *mut CK_SLOT_ID, reserved: *mut c_void);
}
