//! Why a document is not XML that every verifier reads the same way, and where.

use std::fmt;

/// A refusal of the caller's document; sending it again cannot help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {fault}")]
pub struct XmlError {
    /// Where the fault was seen.
    pub position: Position,
    /// What is wrong there.
    pub fault: XmlFault,
}

impl XmlError {
    /// The fault at byte `offset` of the decoded `text`.
    pub(crate) fn at(text: &str, offset: usize, fault: XmlFault) -> Self {
        Self { position: Position::of(text, offset), fault }
    }

    /// A fault of the document as a whole, found before its first character.
    pub(crate) fn at_start(fault: XmlFault) -> Self {
        Self { position: Position { line: 1, column: 1 }, fault }
    }
}

/// A place in a document, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Lines end at a line feed, a carriage return, or both together.
    pub line: usize,
    /// Characters from the start of the line.
    pub column: usize,
}

impl Position {
    fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let mut position = Self { line: 1, column: 1 };
        let mut characters = before.chars().peekable();
        while let Some(character) = characters.next() {
            let ends_line = character == '\n' || (character == '\r' && characters.peek() != Some(&'\n'));
            if ends_line {
                position = Self { line: position.line + 1, column: 1 };
            } else {
                position.column += 1;
            }
        }
        position
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// What is wrong. Anything a strict parser refuses is refused here: a signature over XML that others cannot parse,
/// or parse differently, is worthless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlFault {
    /// Undecodable octets.
    #[error("the document is not valid {encoding}")]
    Undecodable {
        /// Name of the encoding that was announced or detected.
        encoding: &'static str,
    },
    /// An encoding this service does not read.
    #[error("the encoding {declared:?} is not supported; convert the document to UTF-8")]
    UnsupportedEncoding {
        /// The name in the XML declaration.
        declared: String,
    },
    /// Byte order mark and declaration disagree.
    #[error("the declaration says encoding {declared:?}, but the document is {detected}")]
    ConflictingEncoding {
        /// The name in the XML declaration.
        declared: String,
        /// What the first octets are.
        detected: &'static str,
    },
    /// Not `<?xml version="1.0" …?>` as XML 1.0, section 2.8 has it.
    #[error("the XML declaration is malformed")]
    Declaration,
    /// Canonical XML is defined for XML 1.0 only.
    #[error("XML version {version:?} is not supported, only \"1.0\" is")]
    Version {
        /// The version in the XML declaration.
        version: String,
    },
    /// A character outside XML 1.0, production 2.
    #[error("the character U+{code:04X} is not allowed in XML")]
    Character {
        /// Its code point.
        code: u32,
    },
    /// Document type declarations are not signed, unless a worker allows them: many verifiers refuse them.
    #[error("a document type declaration (DOCTYPE) is not accepted here; send the document without it")]
    DocumentType,
    /// A declaration would give attributes of the signature another meaning.
    #[error(
        "{name:?} is declared with a type of its own for an element of signatures, which is not accepted; declare it as CDATA, or not at all"
    )]
    DeclaredForSignature {
        /// The attribute.
        name: String,
    },
    /// What stands elsewhere is not read.
    #[error("the document type declaration refers to an external subset (SYSTEM, PUBLIC), which is not accepted")]
    ExternalSubset,
    /// Entities make something else of the document than what it shows.
    #[error("an entity is declared (ENTITY), which is not accepted; write what it stands for in its place")]
    EntityDeclaration,
    /// A parameter entity stands for declarations.
    #[error("a parameter entity is referred to, which is not accepted; write what it stands for in its place")]
    ParameterEntity,
    /// XML 1.0, productions 28 to 83.
    #[error("malformed declaration in the document type declaration")]
    MarkupDeclaration,
    /// Some processors add such attributes to elements, some do not.
    #[error(
        "the attribute {name:?} is declared with a default value, which verifiers treat differently; write it in the elements"
    )]
    DefaultValue {
        /// The attribute's name.
        name: String,
    },
    /// Which of the declarations counts, processors see differently.
    #[error("the attribute {name:?} is declared twice")]
    DeclaredTwice {
        /// The attribute's name.
        name: String,
    },
    /// Namespace names are text.
    #[error("the namespace declaration {name:?} is declared with another type than CDATA")]
    DeclaredNamespace {
        /// The attribute's name.
        name: String,
    },
    /// The tokenizer found no end of a tag, comment or the like.
    #[error("malformed markup")]
    Markup,
    /// Not a name of XML 1.0, production 5, or not a qualified name of Namespaces in XML.
    #[error("{name:?} is not a valid name")]
    Name {
        /// As it stands in the document, shortened.
        name: String,
    },
    /// Text beside the root element.
    #[error("text outside the root element")]
    TextOutsideRoot,
    /// A second root element.
    #[error("more than one root element")]
    SecondRoot,
    /// No root element.
    #[error("there is no root element")]
    NoRoot,
    /// The document ends inside an element.
    #[error("the element {name:?} is not closed")]
    Unclosed {
        /// The element's name.
        name: String,
    },
    /// An end tag that closes nothing or something else.
    #[error("the end tag {found:?} does not match")]
    MismatchedEnd {
        /// The name in the end tag.
        found: String,
    },
    /// XML 1.0, section 2.4.
    #[error("\"]]>\" is not allowed in text")]
    CdataEndInText,
    /// XML 1.0, section 2.5.
    #[error("\"--\" is not allowed in a comment")]
    Comment,
    /// XML 1.0, section 2.6.
    #[error("malformed processing instruction")]
    Instruction,
    /// Neither a predefined entity nor a reference to a legal character.
    #[error("the reference \"&{reference};\" is not defined")]
    Reference {
        /// Text between `&` and `;`, shortened.
        reference: String,
    },
    /// Missing blank, equals sign, quote or value.
    #[error("malformed attribute")]
    Attribute,
    /// XML 1.0, section 3.1.
    #[error("\"<\" is not allowed in an attribute value")]
    LessThanInAttribute,
    /// The same attribute, or the same namespace and local name, twice in one tag.
    #[error("the attribute {name:?} appears twice")]
    DuplicateAttribute {
        /// The attribute's name.
        name: String,
    },
    /// Namespaces in XML 1.0, section 5.
    #[error("the namespace prefix {prefix:?} is not declared")]
    UndeclaredPrefix {
        /// The prefix.
        prefix: String,
    },
    /// `xml` and `xmlns` cannot be rebound, no prefix can be undeclared (Namespaces in XML 1.0, section 3).
    #[error("the namespace declaration of {prefix:?} is not allowed")]
    NamespaceDeclaration {
        /// The declared prefix, empty for the default namespace.
        prefix: String,
    },
    /// Canonical XML 1.0, section 1.3: documents with relative namespace URIs have no canonical form.
    #[error("the namespace name {uri:?} is not an absolute URI; such documents cannot be canonicalised")]
    RelativeNamespace {
        /// The namespace name, shortened.
        uri: String,
    },
    /// Canonicalisers in use disagree about how to write it.
    #[error("the namespace name {uri:?} contains an ampersand, which verifiers canonicalise differently")]
    AmpersandInNamespace {
        /// The namespace name, shortened.
        uri: String,
    },
    /// A signature inside a signature would be excluded from itself.
    #[error("the root element is a signature; there is no document around it to sign")]
    RootIsSignature,
    /// An `Id`, `ID` or `xml:id` that is nothing.
    #[error("the identifier of an element is empty; leave it out, or give one")]
    EmptyId,
    /// An `Id`, `ID` or `xml:id`, or an `id` that a signature refers to, stands in two places.
    #[error("the identifier {id:?} is given to two elements")]
    AmbiguousId {
        /// The identifier, shortened.
        id: String,
    },
    /// No element on the path that the worker gives to signatures.
    #[error("no element is at {path}, where the signature goes; send a document that has one")]
    NoPlace {
        /// The path.
        path: String,
    },
    /// More than one, and nothing says which.
    #[error("several elements are at {path}, where the signature goes; the worker must name one by its number")]
    SeveralPlaces {
        /// The path.
        path: String,
    },
    /// No element with an identifier that is to be signed.
    #[error("no element has the identifier {id:?}, which is to be signed")]
    NoElement {
        /// The identifier, shortened.
        id: String,
    },
    /// The reference of an earlier signature covers the place of a new one, or may.
    #[error("an earlier signature covers the whole document in a way that another signature inside would break")]
    CoveredByEarlierSignature,
    /// A bound that keeps time and memory in proportion.
    #[error("more than {limit} {what}")]
    Limit {
        /// The bound.
        limit: usize,
        /// What is counted.
        what: &'static str,
    },
}

/// The first characters of something foreign, for a message.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}
