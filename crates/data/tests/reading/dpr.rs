//! DPR's passages, questions and answers, in the form in which its files have them.

use nir_data::{AnswersFormat, DocumentFormat, QueryFormat, read_answers, read_any_answers};

use super::{Sample, documents, pairs, queries, said_of_documents};

const PASSAGES: &str = "id\ttext\ttitle\n\
    1\t\"Aaron Aaron ( or ; \"\"Ahärôn\"\") is a \"\"prophet\"\"\tand brother.\"\tAaron\n\
    2\tno quotes, and one \" inside\t\"The \"\"Title\"\"\"\n\
    3\t\"\"\"God\"\" is the first word, and the last is \"\"God\"\"\"\tDuke\n";

#[test]
fn passages_lose_the_quotes_of_csv() {
    let read = documents(DocumentFormat::DprPassages, PASSAGES).unwrap();
    let fields: Vec<[&str; 3]> =
        read.iter().map(|doc| [&*doc.doc_id, &*doc.title, &*doc.text]).collect();
    let expected = [
        ["1", "Aaron", "Aaron Aaron ( or ; \"Ahärôn\") is a \"prophet\"\tand brother."],
        ["2", "The \"Title\"", "no quotes, and one \" inside"],
        // DPR strips quotes from both ends of what csv gave it, those of the text too.
        ["3", "Duke", "God\" is the first word, and the last is \"God"],
    ];
    assert_eq!(fields, expected);
    let said = said_of_documents(DocumentFormat::DprPassages, PASSAGES);
    assert_eq!(
        said,
        ["docs: 1 header line names the columns, the first is `id TAB text TAB title`"]
    );
}

const QUESTIONS: &str = "when did apollo 17 land\t['14 December 1972 UTC', 'December 1972']\n\
    who sang “you’re mine”\t[\"Bob O'Neill\", 'Robert \"Bob\" O\\'Neill']\n\
    \"a \"\"quoted\"\" question\"\t\"['Malm\\xf6', \"\"it's\"\"]\"\n";

#[test]
fn questions_are_named_by_their_position_from_0() {
    let read = queries(QueryFormat::DprQuestions, QUESTIONS).unwrap();
    let expected = [
        ("0", "when did apollo 17 land"),
        ("1", "who sang “you're mine”"),
        ("2", "a \"quoted\" question"),
    ];
    assert_eq!(pairs(&read), expected);
}

#[test]
fn answers_are_a_list_of_python() {
    let sample = Sample::new("nq-test.qa.csv", QUESTIONS);
    let answers = read_any_answers(&sample.source).unwrap().value;
    assert_eq!(answers.get("0").unwrap(), ["14 December 1972 UTC", "December 1972"]);
    assert_eq!(answers.get("1").unwrap(), ["Bob O'Neill", "Robert \"Bob\" O'Neill"]);
    assert_eq!(answers.get("2").unwrap(), ["Malmö", "it's"]);
}

#[test]
fn answers_of_ones_own_are_objects() {
    let content = "{\"query_id\": \"q1\", \"answers\": [\"1911\", \"\"]}\n\n{\"_id\": 7, \"answers\": [], \"text\": \"who\"}\n";
    let read = read_any_answers(&Sample::new("answers", content).source).unwrap();
    assert_eq!(read.value.get("q1").unwrap(), ["1911", ""]);
    assert_eq!(read.value.get("7"), Some(&[][..]));
    assert!(!read.notes.is_empty(), "the blank line");
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let passages = |content| documents(DocumentFormat::DprPassages, content).unwrap_err();
    assert_eq!(
        passages("1\ttea\tTea\n2\ttea\n"),
        "docs:2: found 2 columns, expected `id TAB text TAB title`"
    );
    assert_eq!(
        passages("1\t\"tea\tTea\n"),
        "docs:1: found a quote that does not close on its line, expected `id TAB text TAB title`"
    );
    let answers = |format, content: &str| {
        let sample = Sample::new("answers", content);
        sample.say(&read_answers(&sample.source, format).unwrap_err())
    };
    assert_eq!(
        answers(AnswersFormat::DprQuestions, "who\t['me'\n"),
        "answers:1: found `['me'`, expected `question TAB ['answer', \"answer\"]`"
    );
    assert_eq!(
        answers(AnswersFormat::Jsonl, "{\"query_id\": \"q\", \"answers\": \"1911\"}\n"),
        "answers:1: found invalid type: string \"1911\", expected a sequence (column 35), expected a JSON object with \
         `query_id` (or `_id`) and `answers`, a list of strings"
    );
    assert_eq!(
        answers(AnswersFormat::Jsonl, &"{\"_id\": \"q\", \"answers\": []}\n".repeat(2)),
        "answers:2: found `q` again, expected each query_id once"
    );
}
