//! Links the system's `OpenBLAS` when exact linear algebra is asked for; nothing otherwise.
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_LAPACK").is_some() {
        println!("cargo::rustc-link-lib=openblas");
    }
}
