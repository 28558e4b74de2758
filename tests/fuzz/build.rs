//! Compiles the part that calls libxml2.

fn main() {
    println!("cargo::rerun-if-changed=src/libxml2.c");
    let libxml2 = pkg_config::probe_library("libxml-2.0").expect("libxml2-dev; install it with scripts/fuzz");
    cc::Build::new().file("src/libxml2.c").includes(libxml2.include_paths).compile("canonical");
}
