//! What ARCHITECTURE.md says is never there, looked for.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The names of a package's normal dependencies that no feature has to ask for.
fn default_dependencies(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|candidate| candidate["name"] == package).unwrap();
    let dependencies = package["dependencies"].as_array().unwrap();
    let normal = dependencies
        .iter()
        .filter(|dependency| dependency["kind"].is_null() && dependency["optional"] == false);
    normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The source files of a folder, with what is above their tests.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("tests") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// The files of a folder whose code, comments aside, has one of these words.
fn files_with(folder: &str, words: &[&str]) -> Vec<String> {
    let has_word = |text: &str| {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        code.into_iter().any(|line| words.iter().any(|word| line.contains(word)))
    };
    let files = sources(folder).into_iter().filter(|(_, text)| has_word(text));
    let mut names: Vec<String> = files
        .map(|(path, _)| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn the_api_depends_on_nothing() {
    assert_eq!(default_dependencies("opentracing-api"), [""; 0]);
}

#[test]
fn the_engine_knows_neither_thrift_nor_jaegers_socket_nor_the_api() {
    assert_eq!(default_dependencies("otel-core"), ["rand", "libc"]);
    assert_eq!(
        files_with(
            "otel-core/src",
            &["UdpSocket", "TcpStream", "std::net", "thrift", "opentracing_api"]
        ),
        [""; 0]
    );
    let client = "otel-core/src/exporter/otlp/http_client.rs";
    assert_eq!(files_with("otel-core/src", &["ureq::Agent", "ureq::post"]), [client]);
}

#[test]
fn the_wire_knows_the_engine_and_not_the_api() {
    assert_eq!(default_dependencies("jaeger-udp"), ["otel-core", "socket2"]);
    assert_eq!(files_with("jaeger-udp/src", &["opentracing_api"]), [""; 0]);
}

#[test]
fn only_the_front_door_knows_them_all() {
    let mut dependencies = default_dependencies("opentracing-shim");
    dependencies.sort();
    assert_eq!(
        dependencies,
        ["opentracing-api", "otel-core"],
        "jaeger-udp is behind the feature `jaeger`"
    );
}

#[test]
fn one_file_sends_and_one_receives() {
    let files = files_with("jaeger-udp/src", &["socket2::", "UdpSocket::"]);
    assert_eq!(files, ["jaeger-udp/src/agent/receiver.rs", "jaeger-udp/src/transport/udp.rs"]);
}

#[test]
fn encoders_do_no_io() {
    let words = ["std::net", "std::fs", "std::io", "std::thread", "Instant", "SystemTime"];
    assert_eq!(files_with("jaeger-udp/src/codec", &words), [""; 0]);
    let files = files_with("otel-core/src/exporter/otlp", &words);
    let encoders = ["encode.rs", "protobuf.rs", "request.rs", "answer.rs"];
    let is_encoder = |file: &String| encoders.iter().any(|encoder| file.ends_with(encoder));
    assert!(!files.iter().any(is_encoder), "{files:?}");
}

#[test]
fn each_border_has_one_translator() {
    for folder in ["shim/src", "jaeger-udp/src"] {
        let n_translators =
            sources(folder).iter().filter(|(path, _)| path.ends_with("convert.rs")).count();
        assert_eq!(n_translators, 1, "{folder}");
    }
}

#[test]
fn unsafe_code_lives_in_one_leaf_of_the_engine() {
    for folder in ["opentracing-api/src", "jaeger-udp/src", "shim/src"] {
        let lib = std::fs::read_to_string(root().join(folder).join("lib.rs")).unwrap();
        assert!(lib.contains("#![forbid(unsafe_code)]"), "{folder}");
    }
    let lib = std::fs::read_to_string(root().join("otel-core/src/lib.rs")).unwrap();
    assert!(lib.contains("#![deny(unsafe_code)]"));
    let files =
        files_with("otel-core/src", &["unsafe {", "unsafe impl", "unsafe fn", "allow(unsafe_code"]);
    assert!(files.iter().all(|file| file.starts_with("otel-core/src/raw/")), "{files:?}");
}

#[test]
fn the_top_level_holds_six_folders() {
    let entries = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let names = folders.map(|folder| folder.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> =
        names.filter(|name| !name.starts_with('.') && name != "target").collect();
    names.sort();
    assert_eq!(names, ["examples", "jaeger-udp", "opentracing-api", "otel-core", "shim", "tests"]);
}
