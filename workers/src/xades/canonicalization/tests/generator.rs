//! Documents no person would write, from a seed.

use std::collections::HashSet;

/// A small generator (xorshift64*), so that a failing case comes back with its number.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % bound
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const PREFIXES: &[&str] = &["", "", "a", "b", "c", "é"];
const URIS: &[&str] = &["urn:1", "urn:2", "http://example.org:80/?a=1;b='2'#c", "urn:&#x33;"];
const LOCALS: &[&str] = &["x", "y", "Item", "élément", "a-b.c_1", "z·"];
const TEXTS: &[&str] = &[
    "text",
    " ",
    "\n  ",
    "\r\n",
    "\r",
    "\t",
    "&#13;",
    "&#xA;",
    "&#9;",
    "&amp;",
    "&lt;",
    "&gt;",
    "&quot;",
    "&apos;",
    ">",
    "]] ",
    "]]&gt;",
    "é",
    "\u{10FFFD}",
    "\u{85}",
    "\u{2028}",
    "&#x1F600;",
    "\"",
    "'",
    "<![CDATA[]]>",
    "<![CDATA[<&>\"'\r\n]]>",
    "<![CDATA[]]]]>",
    "<![CDATA[ ]]>",
    "\u{7F}",
    "\u{FEFF}",
];
const VALUES: &[&str] = &[
    "v",
    "",
    " ",
    "\r\n",
    "\n",
    "\t",
    "\r",
    "&#13;",
    "&#xA;",
    "&#9;",
    "&lt;",
    "&gt;",
    ">",
    "&amp;",
    "é",
    "&#x10000;",
    "&apos;",
    "]]>",
    "  a  b ",
    "&#32;",
    "--",
];
const MISC: &[&str] = &[
    "<!--comment-->",
    "<!---->",
    "<!-- é & < > \r\n -->",
    "<?target?>",
    "<?target   data ?>",
    "<?t-1 a='b' & < > \r ?>",
    "\n",
];

/// A well-formed document.
pub(super) fn document(random: &mut Random) -> String {
    with_document_type(random, |_| String::new())
}

/// A well-formed document with an internal subset, which declares attributes that its elements have and others.
pub(super) fn document_with_subset(random: &mut Random) -> String {
    with_document_type(random, internal_subset)
}

fn with_document_type(random: &mut Random, document_type: impl Fn(&mut Random) -> String) -> String {
    let mut output = String::new();
    if random.below(2) == 0 {
        output.push_str(random.pick(&[
            "<?xml version=\"1.0\"?>",
            "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n",
            "<?xml\tversion = \"1.0\"\n encoding=\"utf-8\"?>\r\n",
        ]));
    }
    misc(random, &mut output);
    output.push_str(&document_type(random));
    misc(random, &mut output);
    let mut scope = vec![];
    element(random, &mut output, &mut scope, 0);
    misc(random, &mut output);
    output
}

const DECLARATIONS: &[&str] = &[
    "<!ELEMENT x ANY>",
    "<!ELEMENT é:y (#PCDATA | x | a:y)*>",
    "<!ELEMENT Item ((x?, y)+ | (z·, x)*)>",
    "<!ELEMENT a:x EMPTY >",
    "<!NOTATION n PUBLIC '-//n'>",
    "<!NOTATION o SYSTEM \"http://127.0.0.1:1/\">",
];
const TYPES: &[&str] =
    &["CDATA", "CDATA", "ID", "IDREF", "IDREFS", "NMTOKEN", "NMTOKENS", "(v | w)", "NOTATION (n|o)", "ENTITIES"];

fn internal_subset(random: &mut Random) -> String {
    let mut output = "<!DOCTYPE x [".to_owned();
    let mut declared = HashSet::new();
    for _ in 0..random.below(60) {
        output.push_str(random.pick(&["", " ", "\r\n"]));
        match random.below(6) {
            0 => output.push_str(random.pick(DECLARATIONS)),
            1 => output.push_str(random.pick(MISC)),
            _ => attribute_list(random, &mut output, &mut declared),
        }
    }
    output.push_str(random.pick(&["]>", "] >\n", "\n]\r\n>"]));
    output
}

fn attribute_list(random: &mut Random, output: &mut String, declared: &mut HashSet<String>) {
    // Mostly those that elements have.
    let name = |random: &mut Random| match if random.below(4) == 0 { random.pick(PREFIXES) } else { "" } {
        "" => random.pick(LOCALS).to_owned(),
        prefix => format!("{prefix}:{}", random.pick(LOCALS)),
    };
    let element = name(random);
    output.push_str(&format!("<!ATTLIST {element}"));
    for _ in 0..random.below(5) {
        let attribute = match random.below(6) {
            0 => random.pick(&["xml:lang", "xml:foo", "xml:space"]).to_owned(),
            _ => format!("{}{}", name(random), random.below(4)),
        };
        // Java's parser does not take the first of two.
        if declared.insert(format!("{element} {attribute}")) {
            let words = [random.pick(&[" ", "\r\n "]), &attribute, " ", random.pick(TYPES), random.pick(&[" ", "\t"])];
            output.extend(words);
            output.push_str(random.pick(&["#IMPLIED", "#REQUIRED"]));
        }
    }
    output.push_str(random.pick(&[">", " >", "\n>"]));
}

fn misc(random: &mut Random, output: &mut String) {
    for _ in 0..random.below(3) {
        output.push_str(random.pick(MISC));
    }
}

fn element(random: &mut Random, output: &mut String, scope: &mut Vec<&'static str>, depth: usize) {
    let before = scope.len();
    let mut attributes: Vec<(String, String)> = Vec::new();
    for _ in 0..random.below(3) {
        let prefix = random.pick(PREFIXES);
        let name = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
        if attributes.iter().all(|(known, _)| *known != name) {
            let uri = if prefix.is_empty() && random.below(3) == 0 { "" } else { random.pick(URIS) };
            attributes.push((name, uri.to_owned()));
            if !prefix.is_empty() {
                scope.push(prefix);
            }
        }
    }
    let own = random.below(4);
    for number in 0..own {
        let prefix = if scope.is_empty() || random.below(2) == 0 { "" } else { scope[random.below(scope.len())] };
        // The number keeps two prefixes of one namespace from carrying the same local name.
        let local = format!("{}{number}", random.pick(LOCALS));
        let value: String = (0..random.below(4)).map(|_| random.pick(VALUES)).collect();
        attributes.push((if prefix.is_empty() { local } else { format!("{prefix}:{local}") }, value));
    }
    if random.below(4) == 0 {
        let (name, value) =
            [("xml:lang", "de"), ("xml:space", "preserve"), ("xml:base", "a/../b"), ("xml:foo", "x")][random.below(4)];
        attributes.push((name.to_owned(), value.to_owned()));
    }
    let prefix = if scope.is_empty() || random.below(2) == 0 { "" } else { scope[random.below(scope.len())] };
    let local = random.pick(LOCALS);
    let name = if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") };
    output.push('<');
    output.push_str(&name);
    while !attributes.is_empty() {
        let (name, value) = attributes.swap_remove(random.below(attributes.len()));
        output.push_str(random.pick(&[" ", "\n", "\t ", "\r\n"]));
        output.push_str(&name);
        output.push_str(random.pick(&["=", "=", " = ", "\n="]));
        let quote = if value.contains('\'') || random.below(2) == 0 { "\"" } else { "'" };
        output.push_str(quote);
        output.push_str(&value);
        output.push_str(quote);
    }
    let children = if depth > 5 { 0 } else { random.below(5) };
    output.push_str(random.pick(&["", "", " ", "\n"]));
    if children == 0 && random.below(2) == 0 {
        output.push_str("/>");
    } else {
        output.push('>');
        for _ in 0..children {
            match random.below(6) {
                0 => output.push_str(random.pick(MISC)),
                1 | 2 => element(random, output, scope, depth + 1),
                _ => output.push_str(random.pick(TEXTS)),
            }
        }
        output.push_str("</");
        output.push_str(&name);
        output.push_str(random.pick(&["", "", " ", "\r\n"]));
        output.push('>');
    }
    scope.truncate(before);
}

/// Changes a document in one to three places, mostly so that it is no longer well-formed.
pub(super) fn spoil(random: &mut Random, document: &str) -> Vec<u8> {
    const SPOILS: &[&str] = &[
        "<",
        ">",
        "&",
        ";",
        "'",
        "\"",
        "=",
        "/",
        "?",
        "!",
        "--",
        "-",
        "]]>",
        "<!--",
        "-->",
        "<![CDATA[",
        "<?",
        "?>",
        "</x>",
        "<x>",
        "<x/>",
        "xmlns=\"\"",
        " xmlns:a=\"\"",
        " xmlns:xml=\"urn:1\"",
        " xmlns:xmlns=\"urn:1\"",
        " a=\"1\"",
        " a:a=\"1\" b:a=\"1\"",
        "&nope;",
        "&#0;",
        "&#xFFFE;",
        "&#xD800;",
        "&#x110000;",
        "&#X41;",
        "&#+65;",
        "&#;",
        "\0",
        "\u{1}",
        "\u{FFFE}",
        "\u{FFFF}",
        ":",
        "a:",
        "undeclared:x",
        "<?xml version=\"1.0\"?>",
        "<?XML a?>",
        "<?a:b c?>",
        "<!DOCTYPE x>",
        "<!ELEMENT x ANY>",
        "xml:",
        " xml:lang=''",
        " xmlns:q=\"http://www.w3.org/XML/1998/namespace\"",
        " xmlns=\"http://www.w3.org/2000/xmlns/\"",
        " xmlns=\"urn:a&amp;b\"",
        " xmlns=\"urn:é\"",
        "[",
        "%",
        "%41",
        "//",
        "@",
        " xmlns=\"1:\"",
        " xml:id=\" 1 \"",
        "\u{85}",
        "\u{2028}",
        "é",
        "\u{FEFF}",
        "\u{37E}",
        " ",
    ];
    let mut octets = document.as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let position = random.below(octets.len() + 1);
        match random.below(4) {
            0 => {
                let end = (position + 1 + random.below(6)).min(octets.len());
                octets.drain(position..end);
            }
            1 if position < octets.len() => octets[position] = u8::try_from(random.below(256)).unwrap(),
            _ => {
                let piece = random.pick(SPOILS).as_bytes().to_vec();
                octets.splice(position..position, piece);
            }
        }
    }
    octets
}

/// An element `name` with `Id="T"`, inside elements from which it inherits, followed by a place for a signature.
pub(super) fn subtree(random: &mut Random, name: &str, signature: &str) -> String {
    let mut inner = String::new();
    element(random, &mut inner, &mut vec!["a", "é"], 2);
    let around = random.pick(&[
        "xml:lang='de' xml:space='preserve' xml:foo='&lt;\"'",
        "xml:base='http://example.org/a/b?q' xml:id='i'",
        "xmlns='urn:default' xmlns:c='urn:c'",
    ]);
    let nearer = random.pick(&["", "xml:lang='en'", "xml:base='c/d'", "xmlns=''", "xmlns:a='urn:another' a:b='c'"]);
    let own = random.pick(&["", "xml:lang='fr'", "xml:base='e'", "a:b='c'", "xmlns:a='urn:a'", "xmlns='urn:default'"]);
    format!(
        "<?p?><!--c--><root xmlns:a='urn:a' xmlns:é='urn:e' {around}> <around {nearer}>\
         <{name} {own} Id=\"T\">{inner}<!-- c --></{name}> </around>{signature}</root><!--d-->"
    )
}
