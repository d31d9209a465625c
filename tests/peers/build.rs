//! Notes which compiler and which profile the bench is built with.

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    println!("cargo::rustc-env=PEERS_RUSTC={version}");
    // Cargo's own `PROFILE` says "release" for every profile that inherits from it; the folder tells them apart:
    // <target>/<profile>/build/<package>/out.
    let out_dir = std::env::var("OUT_DIR").unwrap_or_default();
    let profile = out_dir.rsplit('/').nth(3).unwrap_or_default();
    println!("cargo::rustc-env=PEERS_PROFILE={profile}");
    println!("cargo::rerun-if-changed=build.rs");
}
