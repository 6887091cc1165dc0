//! Collections of none, one, two or three documents, and of documents without a word, through every structure: what there
//! is is found, or one sentence says why it cannot be.

use nir_core::Ranking;
use serde::de::DeserializeOwned;

use crate::testing::{Lent, fixture};
use crate::{Algorithm, Recipe, dense, late, lexical, sparse, weighting};

/// A retriever, how many documents of a word each it needs, and whether it surely finds a text by itself first: weights
/// that no one has trained may see nothing in it.
struct Case {
    name: String,
    recipe: Box<dyn Recipe>,
    needs: usize,
    finds: bool,
}

impl Case {
    fn may_find(self) -> Self {
        Self { finds: false, ..self }
    }
}

fn case<A: Algorithm + DeserializeOwned>(config: &str, more: &str, needs: usize) -> Case {
    let text = format!("{config}\n{more}\ndepth = 10");
    let recipe = toml::from_str::<A>(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    Case { name: format!("{} {more}", A::NAME), recipe: Box::new(recipe), needs, finds: true }
}

fn lexical() -> Vec<Case> {
    let analyzer = "analyzer = \"lucene-english\"";
    let bm25 = format!("{analyzer}\nk1 = 0.9\nb = 0.4\nlengths = \"lucene-byte\"");
    vec![
        case::<lexical::bm25::Config>(&bm25, "", 0),
        case::<lexical::bm25_impacts::Config>(&bm25, "storage = \"f32\"", 0),
        case::<lexical::tantivy_bm25::Config>(analyzer, "", 0),
    ]
}

const INPUT: &str = r#"{ template = ["{text}"], special_tokens = true, max_length = 40 }"#;

fn dense() -> Vec<Case> {
    let ivf = |lists: usize, code: &str| {
        format!(
            "index = {{ use = \"ivf\", storage = \"f32\", lists = {lists}, probe = 1, code = {code}, candidates = 10, \
             sample = 100, seed = 1 }}"
        )
    };
    let graph = "storage = \"f32\", m = 8, ef_construction = 40";
    let indexes = [
        ("index = { use = \"flat\", storage = \"int8\" }".to_owned(), 0),
        (format!("index = {{ use = \"hnsw\", {graph}, seed = 1, ef = 10 }}"), 0),
        (format!("index = {{ use = \"hnsw_rs\", {graph}, ef = 10 }}"), 0),
        (ivf(1, r#"{ use = "int8" }"#), 1),
        (ivf(1, r#"{ use = "sign" }"#), 1),
        (ivf(3, r#"{ use = "sign" }"#), 3),
        (ivf(1, r#"{ use = "pq", pieces = 4, rotation = 8 }"#), 16),
    ];
    let config = format!(
        "model = {{ weights = \"file:{}\", ignore = [\"pooler.*\"] }}\npooling = \"mean\"\nsimilarity = \"cosine\"\n\
         query = {INPUT}\ndocument = {INPUT}",
        fixture("bert").0
    );
    indexes.map(|(index, needs)| case::<dense::bi_encoder::Config>(&config, &index, needs)).into()
}

fn impacts() -> Vec<Case> {
    let clustered = "index = { use = \"clustered\", postings = 10, cluster_fraction = 0.2, summary_energy = 0.5, seed = 1, \
                     query_cut = 5, heap_factor = 0.9 }";
    let config = format!(
        "model = {{ weights = \"file:{}\" }}\npooling = \"max\"\nquery_weighting = \"model\"\nquery = {INPUT}\n\
         document = {INPUT}",
        fixture("bert-mlm").0
    );
    let indexes = ["index = { use = \"impacts\", storage = \"f32\" }", clustered];
    indexes.map(|index| case::<sparse::splade::Config>(&config, index, 0).may_find()).into()
}

fn weighting() -> Vec<Case> {
    let coil = format!(
        "model = {{ weights = \"file:{}\", ignore = [\"pooler.*\"] }}\ntoken = \"tok_proj\"\ncls = \"cls_proj\"\nquery = {INPUT}\n\
         document = {INPUT}\nstorage = \"f32\"",
        fixture("coil").0
    );
    let deepct = format!(
        "model = {{ weights = \"file:{}\" }}\nhead = \"classifier\"\ndocument = {INPUT}\nscale = 100\n\
         analyzer = \"whitespace\"\nk1 = 0.9\nb = 0.4\nindex = {{ use = \"impacts\", storage = \"f32\" }}",
        fixture("deepct").0
    );
    vec![
        case::<weighting::coil::Config>(&coil, "", 0).may_find(),
        case::<weighting::deepct::Config>(&deepct, "", 0).may_find(),
    ]
}

fn late() -> Vec<Case> {
    let config = format!(
        "model = {{ weights = \"file:{}\", ignore = [\"*pooler.*\"] }}\nprojection = \"linear\"\n\
         marker = {{ query = \"bread\", document = \"bread\" }}\npunctuation = true\nquery = {INPUT}\n\
         document = {INPUT}\nstorage = \"f16\"",
        fixture("colbert").0
    );
    let plaid = |centroids: &str| {
        format!(
            "plaid = {{ centroids = {centroids}, bits = 4, sample = 100, seed = 1, nprobe = 2, threshold = -1.0, documents = 8 }}"
        )
    };
    // `bread` has three tokens, the others more.
    vec![
        case::<late::colbert::Config>(&config, "", 0),
        case::<late::colbert::Config>(&config, &plaid("\"auto\""), 0),
        case::<late::colbert::Config>(&config, &plaid("2"), 1),
        case::<late::colbert::Config>(&config, &plaid("9"), 2),
        case::<late::colbert::Config>(&config, &plaid("100"), 34),
    ]
}

fn found(case: &Case, lent: &Lent) -> Result<Ranking, String> {
    lent.try_retrieve(&*case.recipe, "bread").map_err(|error| error.to_string())
}

fn cases() -> Vec<Case> {
    [lexical(), dense(), impacts(), weighting(), late()].into_iter().flatten().collect()
}

const WORDS: [&str; 3] = ["bread", "river", "bank"];

#[test]
fn as_many_as_there_are_are_found_or_it_is_said_why_not() {
    for case in cases() {
        for documents in 0..=WORDS.len() {
            let lent = Lent::new(WORDS[..documents].iter().map(|&word| (word, word)));
            let name = format!("{}, {documents} documents", case.name);
            match found(&case, &lent) {
                // Nothing is learned from nothing, and nothing is found in it.
                Ok(ranking) if documents == 0 => assert!(ranking.is_empty(), "{name}"),
                Ok(ranking) => {
                    assert!(documents >= case.needs, "{name}");
                    assert!(ranking.len() <= documents, "{name}");
                    if case.finds {
                        assert_eq!(lent.named(&ranking)[0].0, "bread", "{name}");
                    }
                    assert!(ranking.iter().all(|hit| hit.score.is_finite()), "{name}: {ranking:?}");
                }
                Err(error) => {
                    assert!(0 < documents && documents < case.needs, "{name}: {error}");
                    assert!(error.contains("cannot be learned from"), "{name}: {error}");
                    assert!(!error.contains('\n'), "{name}: {error}");
                }
            }
        }
    }
}

#[test]
fn documents_without_a_word_are_no_trouble() {
    for case in cases() {
        let lent = Lent::new(WORDS.map(|word| (word, "")));
        match found(&case, &lent) {
            Ok(ranking) => {
                assert!(
                    ranking.iter().all(|hit| hit.score.is_finite()),
                    "{}: {ranking:?}",
                    case.name
                );
                if lexical().iter().any(|lexical| lexical.name == case.name) {
                    assert!(ranking.is_empty(), "{}: {ranking:?}", case.name);
                }
            }
            Err(error) => {
                assert!(
                    case.needs > 0 && error.contains("cannot be learned from"),
                    "{}: {error}",
                    case.name
                );
            }
        }
    }
}
