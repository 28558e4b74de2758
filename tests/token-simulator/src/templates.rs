//! What objects may be made of.

use std::collections::BTreeMap;

use cryptoki_sys::*;
use serde::Deserialize;

use crate::gate::{Call, real};
use crate::names::{self, AttributeName, ClassName, Code};
use crate::{authorization, foreign, mechanisms, naming, visibility};

/// `[templates]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Templates {
    /// Attributes that no template may have.
    refused: Vec<AttributeName>,
    /// How such a template is refused.
    code: Code,
    /// Attributes that cannot be read: `CKR_ATTRIBUTE_TYPE_INVALID`, as of an object that does not have them.
    pub(crate) unreadable: Vec<AttributeName>,
    /// Classes that `C_CreateObject` refuses with `code`.
    refused_classes: Vec<ClassName>,
    /// How an object with `CKA_TOKEN` false is refused. Absent: it is made.
    session_objects: Option<Code>,
    /// Flags of a new private key where its template does not have them.
    private_defaults: Flags,
    /// Flags of a new private key whatever its template says.
    private_forced: Flags,
}

impl Default for Templates {
    fn default() -> Self {
        Self {
            refused: Vec::new(),
            code: Code(CKR_TEMPLATE_INCONSISTENT),
            unreadable: Vec::new(),
            refused_classes: Vec::new(),
            session_objects: None,
            private_defaults: Flags::default(),
            private_forced: Flags::default(),
        }
    }
}

/// Attributes that are true or false.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, bool>")]
struct Flags(Vec<(CK_ATTRIBUTE_TYPE, bool)>);

impl TryFrom<BTreeMap<String, bool>> for Flags {
    type Error = String;

    fn try_from(table: BTreeMap<String, bool>) -> Result<Self, Self::Error> {
        table.into_iter().map(|(name, value)| Ok((names::attribute(&name)?, value))).collect::<Result<_, _>>().map(Self)
    }
}

/// A template of the application in which some values are ours.
pub(crate) struct Template {
    attributes: Vec<CK_ATTRIBUTE>,
    /// What the pointers of our values point to.
    values: Vec<Vec<u8>>,
}

impl Template {
    pub(crate) fn new(attributes: &[CK_ATTRIBUTE]) -> Self {
        Self { attributes: attributes.to_vec(), values: Vec::new() }
    }

    /// A value; `None` where the template does not have it.
    pub(crate) fn get(&self, name: CK_ATTRIBUTE_TYPE) -> Option<&[u8]> {
        let attribute = self.attributes.iter().find(|attribute| attribute.type_ == name)?;
        // SAFETY: the application promises it for its attributes, and `values` holds ours.
        Some(unsafe { foreign::value(attribute) })
    }

    /// Replaces a value or adds it.
    pub(crate) fn set(&mut self, name: CK_ATTRIBUTE_TYPE, value: Vec<u8>) {
        let attribute = foreign::attribute(name, &value);
        // The octets stay where they are while the vector moves.
        self.values.push(value);
        match self.attributes.iter_mut().find(|attribute| attribute.type_ == name) {
            Some(place) => *place = attribute,
            None => self.attributes.push(attribute),
        }
    }

    fn flags(&mut self, rules: &Templates) {
        for (name, value) in &rules.private_defaults.0 {
            if self.get(*name).is_none() {
                self.set(*name, vec![u8::from(*value)]);
            }
        }
        for (name, value) in &rules.private_forced.0 {
            self.set(*name, vec![u8::from(*value)]);
        }
    }

    fn parts(&mut self) -> (*mut CK_ATTRIBUTE, CK_ULONG) {
        (self.attributes.as_mut_ptr(), foreign::length(self.attributes.len()))
    }
}

/// Whether a new object may have this template.
pub(crate) fn check(call: &Call, template: &[CK_ATTRIBUTE]) -> Result<(), CK_RV> {
    check_names(call, template)?;
    let of_token = Template::new(template).get(CKA_TOKEN).is_some_and(|value| value == [CK_TRUE]);
    match call.configuration.templates.session_objects {
        Some(code) if !of_token => Err(code.0),
        _ => Ok(()),
    }
}

fn check_names(call: &Call, template: &[CK_ATTRIBUTE]) -> Result<(), CK_RV> {
    let rules = &call.configuration.templates;
    let refused = |attribute: &CK_ATTRIBUTE| rules.refused.iter().any(|name| name.0 == attribute.type_);
    if template.iter().any(refused) { Err(rules.code.0) } else { Ok(()) }
}

/// `C_CreateObject`.
pub(crate) unsafe fn create(
    call: &Call,
    session: CK_SESSION_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
    object: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: the application gave both.
    let given = unsafe { foreign::slice(template.cast_const(), count) };
    let mut template = Template::new(given);
    let prepared = check(call, given).and_then(|()| {
        let rules = &call.configuration.templates;
        let class = template.get(CKA_CLASS).and_then(foreign::number).ok_or(CKR_TEMPLATE_INCOMPLETE)?;
        if rules.refused_classes.iter().any(|refused| refused.0 == class) {
            return Err(rules.code.0);
        }
        let is_key = [CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY].contains(&class);
        if is_key { naming::settle(call, session, class, &mut [&mut template]) } else { Ok(()) }
    });
    match prepared {
        Ok(()) => {
            let (attributes, count) = template.parts();
            let code = real!(call, C_CreateObject(session, attributes, count, object));
            // SAFETY: the application gave the place.
            unsafe { visibility::made(call, session, object, code) }
        }
        Err(code) => code,
    }
}

/// `C_CopyObject`.
pub(crate) unsafe fn copy(
    call: &Call,
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
    copied: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: the application gave both.
    match check_names(call, unsafe { foreign::slice(template.cast_const(), count) }) {
        Ok(()) => {
            let code = real!(call, C_CopyObject(session, object, template, count, copied));
            // SAFETY: the application gave the place.
            unsafe { visibility::made(call, session, copied, code) }
        }
        Err(code) => code,
    }
}

/// `C_SetAttributeValue`.
pub(crate) unsafe fn change(
    call: &Call,
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    // SAFETY: the application gave both.
    match check_names(call, unsafe { foreign::slice(template.cast_const(), count) }) {
        Ok(()) => real!(call, C_SetAttributeValue(session, object, template, count)),
        Err(code) => code,
    }
}

/// `C_GenerateKey`.
pub(crate) unsafe fn generate(
    call: &Call,
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
    key: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: the application gave both.
    let given = unsafe { foreign::slice(template.cast_const(), count) };
    let mut template = Template::new(given);
    // SAFETY: the application gave the pointer.
    let prepared = unsafe { mechanisms::check(call, mechanism) }
        .and_then(|_| check(call, given))
        .and_then(|()| naming::settle(call, session, CKO_SECRET_KEY, &mut [&mut template]));
    match prepared {
        Ok(()) => {
            let (attributes, count) = template.parts();
            let code = real!(call, C_GenerateKey(session, mechanism, attributes, count, key));
            // SAFETY: the application gave the place.
            unsafe { visibility::made(call, session, key, code) }
        }
        Err(code) => code,
    }
}

/// `C_GenerateKeyPair`.
#[expect(clippy::too_many_arguments, reason = "the standard's")]
pub(crate) unsafe fn generate_pair(
    call: &Call,
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    public: *mut CK_ATTRIBUTE,
    public_count: CK_ULONG,
    private: *mut CK_ATTRIBUTE,
    private_count: CK_ULONG,
    public_key: *mut CK_OBJECT_HANDLE,
    private_key: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: the application gave pointers and counts.
    let (public, private) = unsafe {
        (foreign::slice(public.cast_const(), public_count), foreign::slice(private.cast_const(), private_count))
    };
    let (mut private_template, mut public_template) = (Template::new(private), Template::new(public));
    // SAFETY: the application gave the pointer.
    let prepared = unsafe { mechanisms::check(call, mechanism) }.and_then(|asked| {
        check(call, public)?;
        check(call, private)?;
        private_template.flags(&call.configuration.templates);
        naming::settle(call, session, CKO_PRIVATE_KEY, &mut [&mut private_template, &mut public_template])?;
        // SAFETY: it has been checked that this is a mechanism.
        let mechanism = unsafe { *mechanism };
        let generating = call.configuration.eddsa.generate(asked, &mut public_template)?;
        Ok(CK_MECHANISM { mechanism: generating, ..mechanism })
    });
    let mut mechanism = match prepared {
        Ok(mechanism) => mechanism,
        Err(code) => return code,
    };
    let mechanism = &raw mut mechanism;
    let (public, public_count) = public_template.parts();
    let (private, private_count) = private_template.parts();
    let code = real!(
        call,
        C_GenerateKeyPair(session, mechanism, public, public_count, private, private_count, public_key, private_key)
    );
    for half in [public_key, private_key] {
        // SAFETY: the application gave the places.
        unsafe { visibility::made(call, session, half, code) };
    }
    // SAFETY: the real module has filled it.
    match unsafe { private_key.as_ref() } {
        Some(key) if code == CKR_OK => authorization::forget(call, session, *key),
        _ => code,
    }
}
