//! What a training reports: its steps, its validations and its outcome.

use std::ops::ControlFlow;

/// What a step has done.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The number of steps that were taken, including this one.
    pub taken: usize,
    /// The number of steps of the whole training.
    pub steps: usize,
    /// The loss of the batch, before the weights changed.
    pub loss: f32,
    /// The learning rate.
    pub rate: f64,
    /// The norm of the gradients before clipping.
    pub norm: f64,
    /// The number of tokens that were read.
    pub tokens: usize,
    /// The duration of the step in seconds.
    pub seconds: f64,
}

/// Receives the progress of a training.
pub trait Watch {
    /// Called after each step. `Break` ends the training at once, as killing the process would: the next run continues
    /// from the last checkpoint.
    fn step(&mut self, step: &Step) -> ControlFlow<()>;

    /// Called after a validation: the number of steps taken, the value of the measure, and whether it is the best so
    /// far.
    fn validated(&mut self, taken: usize, value: f64, is_best: bool);
}

impl Watch for () {
    fn step(&mut self, _: &Step) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn validated(&mut self, _: usize, _: f64, _: bool) {}
}

/// The outcome of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The number of weights of the model.
    pub parameters: usize,
    /// The number of steps that this process took.
    pub taken: usize,
    /// The value of the kept weights, and the number of steps after which they were reached; `None` without validation.
    pub best: Option<(f64, usize)>,
    /// The seconds that this process took.
    pub seconds: f64,
}
