//! Apache Santuario, in the version that EU DSS brings, as the judge of canonical forms: a second one, written by others in another
//! language than libxml2, with comments and without, of root elements and of elements in them. (Of a document it leaves out what follows the
//! root element.)

use std::io::Write;
use std::process::{Command, Stdio};

use super::oracle::{Files, part};
use crate::xades::canonicalization::{Algorithm, Method, Omission, Part};

/// All algorithms, with comments and without; and exclusive with prefixes that are treated inclusively.
fn methods() -> Vec<Method> {
    let prefixes = ["a", "", "b", "é"].map(str::to_owned).to_vec();
    let algorithms = [
        Algorithm::Inclusive,
        Algorithm::Inclusive11,
        Algorithm::Exclusive { inclusive_prefixes: Vec::new() },
        Algorithm::Exclusive { inclusive_prefixes: prefixes },
    ];
    let method = |algorithm: Algorithm| [false, true].map(|comments| Method { algorithm: algorithm.clone(), comments });
    algorithms.into_iter().flat_map(method).collect()
}

fn written(method: &Method) -> String {
    match &method.algorithm {
        Algorithm::Exclusive { inclusive_prefixes } if !inclusive_prefixes.is_empty() => {
            let prefix = |prefix: &String| if prefix.is_empty() { "#default".to_owned() } else { prefix.clone() };
            format!("{} {}", method.uri(), inclusive_prefixes.iter().map(prefix).collect::<Vec<_>>().join(" "))
        }
        _ => method.uri().to_owned(),
    }
}

/// Asserts that Santuario writes every document as we do by every method, and where `subtrees` the element whose `Id` is `T`.
pub(super) fn assert_same_as_santuario(documents: &[Vec<u8>], subtrees: bool) {
    let methods = methods();
    let files = Files::write(documents);
    let tools = std::env::var_os("SIGILLO_TOOLS_DIR").map_or_else(
        || std::path::PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/sigillo/tools"),
        Into::into,
    );
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/xades/canonicalization/tests/Santuario.java");
    let mut java = Command::new("java")
        .arg("-cp")
        .arg(tools.join("dss/lib/*"))
        .arg(source)
        .args(methods.iter().map(written))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("java: install the tools with scripts/install-tools");
    let mut paths = java.stdin.take().unwrap();
    let list: String = files.paths.iter().map(|path| format!("{}\n", path.display())).collect();
    let writer = std::thread::spawn(move || paths.write_all(list.as_bytes()));
    let output = java.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "Santuario failed; install the tools with scripts/install-tools");
    let mut rest = &output.stdout[..];
    let mut different = 0;
    for octets in documents {
        let parts: &[Part<'_>] = if subtrees { &[Part::Root, Part::ElementWithId("T")] } else { &[Part::Root] };
        for selected in parts {
            for method in &methods {
                let length = i32::from_be_bytes(rest[..4].try_into().unwrap());
                rest = &rest[4..];
                let theirs = &rest[..usize::try_from(length).unwrap_or_default()];
                rest = &rest[theirs.len()..];
                let ours = part(octets, *selected, Omission::Nothing, method).unwrap();
                // Of several attributes `xml:…` of one name around an element it takes the outermost in place of the nearest (Canonical XML
                // 1.0, section 2.4); xmlsec1 judges these.
                let inherits = matches!(method.algorithm, Algorithm::Inclusive | Algorithm::Inclusive11)
                    && octets.windows(4).any(|window| window == b"xml:");
                if inherits && !matches!(selected, Part::Root) {
                    different += usize::from(length < 0 || theirs != ours);
                    continue;
                }
                let shown = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
                assert!(length >= 0, "{method:?}: Santuario refuses {:?}", shown(octets));
                assert_eq!(shown(theirs), shown(&ours), "{method:?} {selected:?} of {:?}", shown(octets));
            }
        }
    }
    assert!(rest.is_empty(), "Santuario found elements that we did not look for");
    println!("{} documents, {} methods, {different} times other attributes inherited", documents.len(), methods.len());
}
