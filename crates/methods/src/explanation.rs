//! What an algorithm's file says of itself, for `nir explain` and `nir new`: read from its source, so it cannot drift.
//!
//! A head is one line for what the file holds, one for its paper, paragraphs with the idea, a fenced block of equations,
//! a table of symbols, notes, and a last paragraph that begins with `Try it:`.

use crate::Entry;

/// The comment at the top of an algorithm's file, split into its parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Explanation {
    /// What the algorithm is, in one line.
    pub title: String,
    /// The paper: authors, venue, year and the key in `papers.toml`.
    pub paper: String,
    /// The paragraphs before the equations.
    pub idea: Vec<String>,
    /// The lines of the first fenced block.
    pub equations: Vec<String>,
    /// The symbols and what each of them stands for.
    pub symbols: Vec<(String, String)>,
    /// The paragraphs after the equations.
    pub notes: Vec<String>,
    /// A command to try, and what to change in it.
    pub try_it: String,
}

impl Explanation {
    /// Reads the `//!` lines that a source opens with.
    pub fn of(source: &str) -> Self {
        let head = source.lines().map_while(|line| line.strip_prefix("//!"));
        let head: Vec<&str> = head.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let mut explanation = Self::default();
        for (number, block) in blocks(&head).into_iter().enumerate() {
            match number {
                0 => explanation.opening(&block),
                _ => explanation.block(&block),
            }
        }
        explanation
    }

    fn opening(&mut self, lines: &[&str]) {
        lines[0].clone_into(&mut self.title);
        self.paper = lines[1..].join(" ");
    }

    fn block(&mut self, lines: &[&str]) {
        match lines {
            [first, equations @ .., _] if first.starts_with("```") => {
                self.equations.extend(equations.iter().map(|line| (*line).to_owned()));
            }
            [first, ..] if first.starts_with('|') => {
                self.symbols.extend(lines.iter().filter_map(row));
            }
            [first, ..] if first.starts_with("Try it:") => {
                lines.join(" ")["Try it:".len()..].trim().clone_into(&mut self.try_it);
            }
            _ if self.equations.is_empty() => self.idea.push(lines.join(" ")),
            _ => self.notes.push(lines.join(" ")),
        }
    }
}

/// Lines between empty ones; a fenced block is one, whatever is in it.
fn blocks<'a>(lines: &[&'a str]) -> Vec<Vec<&'a str>> {
    let (mut blocks, mut fenced) = (vec![Vec::new()], false);
    for &line in lines {
        if line.is_empty() && !fenced {
            blocks.push(Vec::new());
            continue;
        }
        fenced ^= line.starts_with("```");
        blocks.last_mut().expect("there is a first block").push(line);
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// A row of a table of two columns, without the head and the line below it; `|` within code is no border.
fn row(line: &&str) -> Option<(String, String)> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let code = |at: usize| inner[..at].matches('`').count() % 2 == 1;
    let border = inner.match_indices('|').map(|(at, _)| at).find(|&at| !code(at))?;
    let (symbol, meaning) = (inner[..border].trim(), inner[border + 1..].trim());
    let is_head = symbol == "symbol" || symbol.chars().all(|c| c == '-');
    (!is_head).then(|| (symbol.replace("\\|", "|"), meaning.to_owned()))
}

impl Entry {
    /// The explanation at the top of the algorithm's file.
    pub fn explanation(&self) -> Explanation {
        Explanation::of(self.source)
    }

    /// The keys of its config, each with its documentation, in the order in which they are declared. The table of a model
    /// is followed by its own keys, `model.weights` and so on.
    pub fn parameters(&self) -> Vec<(String, String)> {
        let mut parameters = Vec::new();
        for Field { name, of, doc } in fields(self.declared, "pub struct Config {") {
            parameters.push((name.to_owned(), doc));
            let inner = TABLES.iter().filter(|(kind, ..)| of.contains(kind));
            for inner in inner.flat_map(|(_, source, opening)| fields(source, opening)) {
                parameters.push((format!("{name}.{}", inner.name), inner.doc));
            }
        }
        parameters
    }
}

/// Tables within a config whose keys are parameters too: the name of their type, its source, and how it opens there.
const TABLES: [(&str, &str, &str); 3] = [
    ("ModelSource", include_str!("model.rs"), "pub struct ModelSource {"),
    ("Asked", include_str!("language_model/mod.rs"), "pub struct Table {"),
    ("Asking", include_str!("prompting/mod.rs"), "pub struct Asking {"),
];

/// A public field of a struct, read from its source.
struct Field<'a> {
    name: &'a str,
    /// The type of the field.
    of: &'a str,
    /// The documentation of the field, on one line.
    doc: String,
}

/// The fields of the struct that `opening` begins, in order.
fn fields<'a>(source: &'a str, opening: &str) -> Vec<Field<'a>> {
    let start = source.find(opening).unwrap_or(source.len());
    let lines = source[start..].lines().skip(1).take_while(|line| *line != "}");
    let (mut fields, mut doc) = (Vec::new(), Vec::new());
    for line in lines.map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            doc.push(text);
        } else if let Some((name, of)) = line.strip_prefix("pub ").and_then(|it| it.split_once(':'))
        {
            fields.push(Field { name, of, doc: std::mem::take(&mut doc).join(" ") });
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ALGORITHMS;

    #[test]
    fn a_head_is_cut_at_its_parts() {
        let source = "//! Tea.\n//! Leaf, 1900 (`leaf1900tea`).\n//!\n//! Leaves in\n//! water.\n//!\n//! ```text\n\
                      //! tea = a | b\n//!\n//! end\n//! ```\n//!\n//! | symbol | is |\n//! |---|---|\n\
                      //! | `|d|` | a length |\n//!\n//! A note.\n//!\n//! Try it: `nir run tea`. Stir.\n\nuse x;\n";
        let explanation = Explanation::of(source);
        let expected = Explanation {
            title: "Tea.".into(),
            paper: "Leaf, 1900 (`leaf1900tea`).".into(),
            idea: vec!["Leaves in water.".into()],
            equations: vec!["tea = a | b".into(), String::new(), "end".into()],
            symbols: vec![("`|d|`".into(), "a length".into())],
            notes: vec!["A note.".into()],
            try_it: "`nir run tea`. Stir.".into(),
        };
        assert_eq!(explanation, expected);
    }

    #[test]
    fn every_algorithm_explains_itself() {
        for entry in ALGORITHMS.iter().filter(|entry| !entry.family.is_empty()) {
            let Explanation { title, paper, idea, equations, symbols, try_it, .. } =
                entry.explanation();
            assert!(!title.is_empty() && paper.contains(entry.paper), "{}: {paper}", entry.name);
            assert!(!idea.is_empty(), "{} has no idea", entry.name);
            assert!(equations.iter().any(|line| line.contains('=')), "{}: no equation", entry.name);
            assert!(!symbols.is_empty(), "{}: no table of symbols", entry.name);
            assert!(try_it.contains("nir run"), "{}: nothing to try", entry.name);
            assert!(entry.file.starts_with(entry.family) && entry.file.ends_with(".rs"));
        }
    }

    #[test]
    fn the_keys_of_a_model_are_parameters_too() {
        let parameters = crate::Registry::builtin().find("bi_encoder").unwrap().parameters();
        let names: Vec<_> = parameters.iter().take(6).map(|(name, _)| name.as_str()).collect();
        let of_the_model =
            ["weights", "revision", "ignore", "vocabulary"].map(|key| format!("model.{key}"));
        assert_eq!(names[0], "model");
        assert_eq!(names[1..5], of_the_model);
        assert_eq!(names[5], "query_model");
    }

    #[test]
    fn every_parameter_is_documented() {
        for entry in ALGORITHMS {
            let parameters = entry.parameters();
            assert!(parameters.iter().any(|(name, _)| {
                ["depth", "documents", "most", "encoder", "queries"].contains(&name.as_str())
            }));
            for (name, doc) in parameters {
                assert!(!doc.is_empty(), "{}: `{name}`", entry.name);
            }
        }
    }
}
