//! ir_metadata: what a run file should say of itself.
//! Breuer, Keller and Schaer, ir_metadata: An Extensible Metadata Schema for IR Experiments, SIGIR 2022.
//!
//! Its fields follow the PRIMAD model: platform, research goal, implementation, method, actor and data. Who ran it
//! (`actor`) is for its author to add. A value is written as JSON, which YAML includes.

use std::fmt::Write as _;

use nir_catalogue::{Cell, Method, Paper};
use serde_json::json;

use crate::Question;
use crate::question::shell_word;

/// The fields that apply to a result, as YAML.
pub fn ir_metadata(
    cell: &Cell,
    method: &Method,
    paper: Option<&Paper>,
    homepage: &str,
    question: &Question,
) -> String {
    let source = &cell.provenance;
    let libraries = source.libraries.iter();
    let libraries: Vec<String> =
        libraries.map(|(name, version)| format!("{name}=={version}")).collect();
    let stages: Vec<&str> =
        method.stages.iter().map(|stage| stage.algorithm.as_ref().as_str()).collect();
    let measures: Vec<&String> = cell.measures.keys().collect();
    let mut yaml = String::from("schema-version: \"0.2\"\n");
    let mut section = |name: &str, fields: &[(&str, serde_json::Value)]| {
        let _ = writeln!(yaml, "{name}:");
        for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let _ = writeln!(yaml, "  {key}: {value}");
        }
    };
    section(
        "platform",
        &[
            ("hardware", json!({"cpu": {"model": source.cpu}, "device": source.device})),
            ("software", json!({"libraries": {"rust": libraries}, "compiler": source.rustc})),
        ],
    );
    section(
        "research goal",
        &[
            (
                "publication",
                json!(paper.map(|paper| json!({"title": paper.title, "url": paper.url}))),
            ),
            (
                "evaluation",
                json!({
                    "reported measures": measures,
                    "baseline": [question.baseline],
                    "significance test": [{
                        "name": question.settings.test.to_string(),
                        "correction method": question.settings.correction.to_string(),
                    }],
                }),
            ),
        ],
    );
    section(
        "implementation",
        &[
            (
                "executable",
                json!({"cmd": format!("nir run {} --on {} --runs DIR", shell_word(method.argument()), cell.dataset)}),
            ),
            ("source", json!({"lang": ["rust"], "commit": source.commit})),
        ],
    );
    section(
        "method",
        &[
            ("automatic", json!("true")),
            ("score_ties", json!(cell.policy)),
            ("indexing", json!(source.indexes)),
            ("retrieval", json!([{"name": cell.name, "method": stages, "config": source.config}])),
            (
                "weights",
                if source.weights.is_empty() { json!(null) } else { json!(source.weights) },
            ),
        ],
    );
    section(
        "data",
        &[(
            "test_collection",
            json!({
                "name": cell.dataset,
                "source": homepage,
                "digest": source.dataset,
                "documents": cell.documents,
                "queries": cell.queries,
            }),
        )],
    );
    yaml
}
