//! Which files to sign, and where the signed ones go: beside the inputs or under one folder, whole or not at all, never over an input.

use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Task;
use crate::failure::Failure;

/// A file to sign.
#[derive(Debug)]
pub(super) struct Input {
    /// Where it is.
    pub(super) path: PathBuf,
    /// The document beside a detached signature.
    pub(super) document: Option<PathBuf>,
    /// Other files that the same signature is over.
    pub(super) others: Vec<PathBuf>,
    /// What it is called under the output folder.
    relative: PathBuf,
}

/// All files to sign.
#[derive(Debug)]
pub(super) struct Inputs {
    /// One each, in the order of the arguments.
    pub(super) items: Vec<Input>,
    out_dir: Option<PathBuf>,
    task: Task,
    /// What the only signature over all files is called.
    together: Option<PathBuf>,
    /// Canonical paths of all inputs.
    untouchable: HashSet<PathBuf>,
}

impl Inputs {
    /// Walks the folders among `paths` and makes the output folder.
    ///
    /// # Errors
    /// When a path is not there, nothing is to be signed, or two files would get the same output.
    pub(super) fn collect(paths: &[PathBuf], out_dir: Option<&Path>, task: Task) -> Result<Self, Failure> {
        let canonical_out = match out_dir {
            Some(dir) => {
                fs::create_dir_all(dir).map_err(Failure::file(dir))?;
                Some(fs::canonicalize(dir).map_err(Failure::file(dir))?)
            }
            None => None,
        };
        let mut items = Vec::new();
        for path in paths {
            if fs::metadata(path).map_err(Failure::file(path))?.is_dir() {
                let Some(out) = &canonical_out else {
                    return Err(Failure::Usage(format!(
                        "{} is a folder: name --out-dir, so that a second run does not sign what the first one made",
                        path.display()
                    )));
                };
                walk(path, Path::new(""), out, &mut items)?;
            } else {
                let relative = path.file_name().map(PathBuf::from).unwrap_or_default();
                items.push(Input { path: path.clone(), document: None, others: Vec::new(), relative });
            }
        }
        if task == Task::Augment {
            find_documents(&mut items);
        }
        if items.is_empty() {
            return Err(Failure::Usage("there is no file in these folders".into()));
        }
        if out_dir.is_some() {
            refuse_same_outputs(&items)?;
        }
        let mut untouchable = HashSet::new();
        for Input { path, .. } in &items {
            if !untouchable.insert(fs::canonicalize(path).map_err(Failure::file(path))?) {
                return Err(Failure::Usage(format!("{} is named twice", path.display())));
            }
        }
        Ok(Self { items, out_dir: out_dir.map(Path::to_owned), task, together: None, untouchable })
    }

    /// The same files for one signature over them all, which is written to `output`.
    ///
    /// # Errors
    /// When a name cannot stand in a form, or two files have the same one.
    pub(super) fn together(mut self, output: &Path) -> Result<Self, Failure> {
        if self.items.len() < 2 {
            return Err(Failure::Usage("--together needs at least two files; sign one without it".into()));
        }
        let mut names = HashSet::new();
        for Input { path, .. } in &self.items {
            let name = part_name(path).ok_or_else(|| {
                Failure::Usage(format!("the name of {} is no text that can be sent; rename it", path.display()))
            })?;
            if !names.insert(name.to_owned()) {
                return Err(Failure::Usage(format!(
                    "two files are called {name}; a signature over both needs two names"
                )));
            }
        }
        let mut items = self.items.into_iter();
        if let Some(first) = items.next() {
            self.items = vec![Input { others: items.map(|input| input.path).collect(), ..first }];
        } else {
            self.items = Vec::new();
        }
        self.together = Some(output.to_owned());
        Ok(self)
    }

    /// Writes a signed document to its place, by a temporary file that is renamed when it is whole.
    ///
    /// # Errors
    /// When the output would replace an input, reading ends early, or the file system refuses.
    pub(super) fn write(&self, input: &Input, media_type: &str, content: &mut dyn Read) -> io::Result<PathBuf> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let target = self.target(input, media_type).ok_or_else(|| {
            // A proxy's page, say. Nothing that is called a signature may come of it.
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the server answered with \"{media_type}\", which is no signed document"),
            )
        })?;
        if fs::canonicalize(&target).is_ok_and(|existing| self.untouchable.contains(&existing)) {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("{} is an input and is not replaced; choose another --out-dir", target.display()),
            ));
        }
        let folder = target.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(folder)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!("{TEMPORARY}{}-{number}", std::process::id()));
        let written = File::create_new(&temporary)
            .and_then(|mut file| io::copy(content, &mut file))
            .and_then(|_| fs::rename(&temporary, &target));
        if let Err(error) = written {
            // The error matters, not whether the rest of the file could be removed.
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        Ok(target)
    }

    fn target(&self, input: &Input, media_type: &str) -> Option<PathBuf> {
        if let Some(output) = &self.together {
            return output_name(output.file_name()?, media_type, self.task, false).map(|_| output.clone());
        }
        let path = match &self.out_dir {
            Some(dir) => dir.join(&input.relative),
            None => input.path.clone(),
        };
        let name = output_name(path.file_name()?, media_type, self.task, self.out_dir.is_none())?;
        Some(path.with_file_name(name))
    }
}

/// What a file is called in a form; `None` when that cannot be written.
pub(super) fn part_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str().filter(|name| !name.chars().any(|each| each.is_control() || each == '\\'))
}

const TEMPORARY: &str = ".sigillo-";

// Links to folders are not followed: they may lead in circles, and out of what was named.
fn walk(folder: &Path, relative: &Path, out_dir: &Path, items: &mut Vec<Input>) -> Result<(), Failure> {
    let entries =
        fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(Failure::file(folder))?;
    let mut entries: Vec<(PathBuf, OsString)> = entries.iter().map(|entry| (entry.path(), entry.file_name())).collect();
    entries.sort();
    for (path, name) in entries {
        let relative = relative.join(&name);
        let itself = fs::symlink_metadata(&path).map_err(Failure::file(&path))?;
        if itself.is_dir() {
            if fs::canonicalize(&path).map_err(Failure::file(&path))? != out_dir {
                walk(&path, &relative, out_dir, items)?;
            }
        } else if path.is_file() && !name.to_string_lossy().starts_with(TEMPORARY) {
            items.push(Input { path, document: None, others: Vec::new(), relative });
        }
    }
    Ok(())
}

/// Documents beside detached signatures go with these, and are none themselves.
fn find_documents(items: &mut Vec<Input>) {
    for input in items.iter_mut() {
        let detached = input.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("p7s"));
        input.document = Some(input.path.with_extension("")).filter(|document| detached && document.is_file());
    }
    let documents: HashSet<PathBuf> = items.iter().filter_map(|input| input.document.clone()).collect();
    items.retain(|input| !documents.contains(&input.path));
}

fn refuse_same_outputs(items: &[Input]) -> Result<(), Failure> {
    let mut taken: BTreeMap<&Path, &Path> = BTreeMap::new();
    for input in items {
        if let Some(other) = taken.insert(&input.relative, &input.path) {
            return Err(Failure::Usage(format!(
                "{} and {} would both become {}; sign them into different folders",
                other.display(),
                input.path.display(),
                input.relative.display()
            )));
        }
    }
    Ok(())
}

fn output_name(input: &OsStr, media_type: &str, task: Task, beside_input: bool) -> Option<OsString> {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let suffix = match essence.as_str() {
        "application/pkcs7-mime" => ".p7m",
        "application/pkcs7-signature" => ".p7s",
        "application/pdf" | "application/xml" | "text/xml" => "",
        other if other.ends_with("+xml") => "",
        "application/octet-stream" => ".sig",
        _ => return None,
    };
    let mut name = input.to_owned();
    if task != Task::Augment && !suffix.is_empty() {
        name.push(suffix);
    } else if beside_input {
        let path = Path::new(input);
        name = path.file_stem().unwrap_or_default().to_owned();
        name.push(format!("-{}", task.done()));
        if let Some(extension) = path.extension() {
            name.push(".");
            name.push(extension);
        }
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(input: &str, media_type: &str, beside: bool) -> String {
        output_name(OsStr::new(input), media_type, Task::Sign, beside).unwrap().into_string().unwrap()
    }

    #[test]
    fn the_answer_decides_the_name_of_the_output() {
        assert_eq!(name("a.bin", "application/octet-stream", false), "a.bin.sig");
        assert_eq!(name("a.pdf", "application/pkcs7-mime", true), "a.pdf.p7m");
        assert_eq!(name("a.pdf", "application/pkcs7-signature", false), "a.pdf.p7s");
        assert_eq!(name("a.pdf", "application/pdf", false), "a.pdf");
        assert_eq!(name("a.b.pdf", "application/pdf", true), "a.b-signed.pdf");
        assert_eq!(name("a.xml", "application/xml; charset=utf-8", true), "a-signed.xml");
        assert_eq!(name("a.svg", "image/svg+xml", false), "a.svg");
        assert_eq!(name("invoice", "text/xml", true), "invoice-signed");
        let page = output_name(OsStr::new("a.pdf"), "text/html", Task::Sign, true);
        assert_eq!(page, None, "a proxy's page is no signed document");
        for (input, media_type, beside, expected) in [
            ("a.pdf.p7m", "application/pkcs7-mime", false, "a.pdf.p7m"),
            ("a.pdf.p7s", "application/pkcs7-signature", true, "a.pdf-augmented.p7s"),
            ("a-signed.pdf", "application/pdf", true, "a-signed-augmented.pdf"),
        ] {
            let name = output_name(OsStr::new(input), media_type, Task::Augment, beside);
            assert_eq!(name.unwrap(), expected);
        }
    }

    #[test]
    fn documents_go_with_the_detached_signatures_beside_them() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.pdf", "a.pdf.p7s", "b.p7m", "c.p7s"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let inputs = Inputs::collect(&[dir.path().to_owned()], Some(&dir.path().join("out")), Task::Augment).unwrap();
        let found = |name: &str| inputs.items.iter().find(|input| input.path.ends_with(name));
        assert_eq!(inputs.items.len(), 3);
        assert_eq!(found("a.pdf.p7s").unwrap().document, Some(dir.path().join("a.pdf")));
        assert!(found("b.p7m").unwrap().document.is_none() && found("c.p7s").unwrap().document.is_none());
    }

    #[test]
    fn folders_keep_their_paths_under_the_output_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (source, out) = (dir.path().join("in"), dir.path().join("in/out"));
        fs::create_dir_all(source.join("2026/11")).unwrap();
        fs::create_dir_all(&out).unwrap();
        fs::write(source.join("2026/11/a.pdf"), "a").unwrap();
        fs::write(out.join("of-an-earlier-run.pdf"), "b").unwrap();
        let inputs = Inputs::collect(&[source], Some(&out), Task::Sign).unwrap();
        assert_eq!(inputs.items.len(), 1, "{:?}", inputs.items);
        let written = inputs.write(&inputs.items[0], "application/pdf", &mut "signed".as_bytes()).unwrap();
        assert_eq!(written, out.join("2026/11/a.pdf"));
        assert_eq!(fs::read(&written).unwrap(), b"signed");
        assert_eq!(fs::read_dir(written.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_folder_without_an_output_folder_is_wrong_usage() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "a").unwrap();
        assert!(matches!(Inputs::collect(&[dir.path().to_owned()], None, Task::Sign), Err(Failure::Usage(_))));
    }

    #[test]
    fn an_input_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("a.pdf");
        fs::write(&input, "original").unwrap();
        let inputs = Inputs::collect(std::slice::from_ref(&input), Some(dir.path()), Task::Sign).unwrap();
        assert!(inputs.write(&inputs.items[0], "application/pdf", &mut "signed".as_bytes()).is_err());
        assert_eq!(fs::read(&input).unwrap(), b"original");
    }

    #[test]
    fn two_files_of_one_name_do_not_go_into_one_folder() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["x", "y"].map(|folder| {
            fs::create_dir(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join("a.pdf"), folder).unwrap();
            dir.path().join(folder).join("a.pdf")
        });
        assert!(matches!(Inputs::collect(&paths, Some(&dir.path().join("out")), Task::Sign), Err(Failure::Usage(_))));
        assert!(Inputs::collect(&paths, None, Task::Sign).is_ok());
    }

    #[test]
    fn a_file_is_not_signed_twice_in_one_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pdf");
        fs::write(&path, "a").unwrap();
        let again = dir.path().join(".").join("a.pdf");
        assert!(matches!(Inputs::collect(&[path, again], None, Task::Sign), Err(Failure::Usage(_))));
    }

    #[test]
    fn files_of_one_signature_have_names_of_their_own_and_the_signature_replaces_none() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b", "x/a"] {
            fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            fs::write(dir.path().join(name), name).unwrap();
        }
        let collect = |names: &[&str]| {
            let paths: Vec<_> = names.iter().map(|name| dir.path().join(name)).collect();
            Inputs::collect(&paths, None, Task::Together).unwrap()
        };
        let output = dir.path().join("both.xades");
        let both = collect(&["a", "b"]).together(&output).unwrap();
        assert_eq!((both.items.len(), &both.items[0].others), (1, &vec![dir.path().join("b")]));
        assert_eq!(both.write(&both.items[0], "application/xml", &mut "<s/>".as_bytes()).unwrap(), output);
        assert!(both.write(&both.items[0], "text/html", &mut "".as_bytes()).is_err());
        assert!(matches!(collect(&["a", "x/a"]).together(&output), Err(Failure::Usage(_))));
        let over = collect(&["a", "b"]).together(&dir.path().join("b")).unwrap();
        assert!(over.write(&over.items[0], "application/xml", &mut "<s/>".as_bytes()).is_err());
        assert_eq!(fs::read(dir.path().join("b")).unwrap(), b"b");
    }

    #[test]
    fn a_document_that_breaks_off_leaves_nothing_behind() {
        struct Breaks;
        impl Read for Breaks {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("a.pdf");
        fs::write(&input, "original").unwrap();
        let inputs = Inputs::collect(&[input], None, Task::Sign).unwrap();
        assert!(inputs.write(&inputs.items[0], "application/pdf", &mut Breaks).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
