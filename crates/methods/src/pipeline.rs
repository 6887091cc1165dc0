//! Which stages may follow which.

use crate::Shape;

/// A stage that does not fit its place in a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stage {} (`{algorithm}`) {problem}", position + 1)]
pub struct ShapeError {
    /// The position of the stage, counted from 0.
    pub position: usize,
    /// The name of its algorithm.
    pub algorithm: String,
    /// What is wrong, and what to do.
    pub problem: &'static str,
}

/// What a pipeline has between two stages.
#[derive(Clone, Copy)]
enum Hand {
    Queries,
    Run,
    RewrittenQueries,
}

/// Checks that every stage gets what it reads and that the last one gives a run.
pub fn check_shapes(stages: &[(&str, Shape)]) -> Result<(), ShapeError> {
    let mut hand = Hand::Queries;
    for (position, &(algorithm, shape)) in stages.iter().enumerate() {
        hand = after(hand, shape).map_err(|problem| error(position, algorithm, problem))?;
    }
    match (hand, stages.last()) {
        (Hand::Run, _) => Ok(()),
        (_, Some((algorithm, _))) => {
            Err(error(stages.len() - 1, algorithm, "gives no run; put a retriever after it"))
        }
        (_, None) => Err(error(0, "", "is missing; a method needs at least one retriever")),
    }
}

fn after(hand: Hand, shape: Shape) -> Result<Hand, &'static str> {
    match (shape, hand) {
        (Shape::Expander, Hand::Queries) => Ok(Hand::Queries),
        (Shape::Writer, Hand::Queries | Hand::RewrittenQueries) => Ok(Hand::RewrittenQueries),
        (Shape::Retriever, Hand::Queries | Hand::RewrittenQueries) => Ok(Hand::Run),
        (Shape::Fuser, Hand::Queries) => Ok(Hand::Run),
        (Shape::Reranker, Hand::Run) => Ok(Hand::Run),
        (Shape::Rewriter, Hand::Run) => Ok(Hand::RewrittenQueries),
        (Shape::Expander, _) => Err("changes the documents; put it before the first retriever"),
        (Shape::Retriever, Hand::Run) => Err(
            "would throw away what was found before it; a second retriever belongs after a rewriter",
        ),
        (Shape::Writer, Hand::Run) => {
            Err("would throw away what was found before it; put it before the first retriever")
        }
        (Shape::Fuser, _) => Err("reads the runs of its `inputs`; it can only be the first stage"),
        (Shape::Reranker | Shape::Rewriter, _) => {
            Err("needs candidates; put a retriever before it")
        }
    }
}

fn error(position: usize, algorithm: &str, problem: &'static str) -> ShapeError {
    ShapeError { position, algorithm: algorithm.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::Shape::{Expander, Fuser, Reranker, Retriever, Rewriter};
    use super::*;

    fn problem(shapes: &[Shape]) -> Option<String> {
        let stages: Vec<_> = shapes.iter().map(|&shape| ("x", shape)).collect();
        check_shapes(&stages).err().map(|error| error.to_string())
    }

    #[test]
    fn sound_pipelines_pass() {
        let sound: [&[Shape]; 5] = [
            &[Retriever],
            &[Expander, Retriever, Reranker, Reranker],
            &[Retriever, Rewriter, Retriever],
            &[Fuser, Reranker],
            &[Fuser, Rewriter, Retriever],
        ];
        for shapes in sound {
            assert_eq!(problem(shapes), None, "{shapes:?}");
        }
    }

    #[test]
    fn a_stage_in_the_wrong_place_is_told_where_it_belongs() {
        let expect =
            |shapes: &[Shape], text: &str| assert_eq!(problem(shapes).as_deref(), Some(text));
        expect(&[Reranker], "stage 1 (`x`) needs candidates; put a retriever before it");
        expect(&[Retriever, Rewriter], "stage 2 (`x`) gives no run; put a retriever after it");
        expect(
            &[Retriever, Expander],
            "stage 2 (`x`) changes the documents; put it before the first retriever",
        );
        expect(
            &[Retriever, Fuser],
            "stage 2 (`x`) reads the runs of its `inputs`; it can only be the first stage",
        );
        assert!(problem(&[Retriever, Retriever]).unwrap().contains("throw away"));
        assert!(problem(&[]).unwrap().contains("at least one retriever"));
    }
}
