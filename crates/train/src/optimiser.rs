//! AdamW with linear warm-up and decay.
//! Loshchilov and Hutter, ICLR 2019, algorithm 2; Kingma and Ba, ICLR 2015.
//!
//! ```text
//! m = β₁ m + (1 - β₁) g                 v = β₂ v + (1 - β₂) g²
//! θ = θ - η_t ( m̂ / (√v̂ + ε) + λ θ ),   m̂ = m / (1 - β₁ᵗ),   v̂ = v / (1 - β₂ᵗ)
//! ```
//!
//! As in PyTorch, the decay is multiplied by the learning rate and comes before the step. Biases and layer norms, which
//! are vectors, do not decay, as in BERT.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, Layout, Tensor, Var};
use rayon::prelude::*;

use crate::parameters::Parameters;
use crate::recipe::Optimiser;
use crate::{Error, Result};

/// The optimiser with its state. Together with the weights and the number of the step, the state is all that a training
/// needs to continue.
#[derive(Debug)]
pub struct AdamW {
    config: Optimiser,
    /// The moving means of each learning tensor, `[2, …]`: of the gradient, and of its square.
    pub moments: BTreeMap<String, Tensor>,
}

/// What a step has done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taken {
    /// The learning rate of the step.
    pub rate: f64,
    /// The norm of all gradients together, before clipping.
    pub norm: f64,
}

impl AdamW {
    /// An optimiser whose moving means are 0.
    pub fn new(config: Optimiser, parameters: &Parameters) -> Result<Self> {
        let zeros = |var: &Var| {
            let shape: Vec<usize> = [2].into_iter().chain(var.dims().iter().copied()).collect();
            Tensor::zeros(shape, var.dtype(), var.device())
        };
        let moments = parameters
            .learning()
            .map(|(name, var)| Ok((name.to_owned(), zeros(var)?)))
            .collect::<Result<_>>()?;
        Ok(Self { config, moments })
    }

    /// The learning rate of a step, counted from 0: it rises over `warm_up` steps and then falls to 0 at the last step.
    pub fn rate(&self, step: usize) -> f64 {
        let Optimiser { steps, rate, warm_up, .. } = self.config;
        let (step, steps, warm_up) = (step as f64, steps as f64, warm_up as f64);
        let rising = (step + 1.0) / warm_up.max(1.0);
        let falling = (steps - step) / (steps - warm_up).max(1.0);
        rate * rising.min(falling).clamp(0.0, 1.0)
    }

    /// Updates the weights of all learning tensors by one step, counted from 0.
    pub fn step(
        &self,
        parameters: &Parameters,
        gradients: &GradStore,
        step: usize,
    ) -> Result<Taken> {
        let gradients = collect(parameters, gradients)?;
        let norm = norm(&gradients)?;
        let rate = self.rate(step);
        for ((name, var), gradient) in parameters.learning().zip(&gradients) {
            let Some(gradient) = gradient else { continue };
            let update = self.update(rate, norm, step, var.rank() > 1);
            update.apply(var, &self.moments[name], gradient)?;
        }
        Ok(Taken { rate, norm })
    }

    fn update(&self, rate: f64, norm: f64, step: usize, decays: bool) -> Update {
        let Optimiser { beta1, beta2, eps, weight_decay, clip, .. } = self.config;
        let corrected = |beta: f64| 1.0 - beta.powf((step + 1) as f64);
        Update {
            scale: if norm > clip { (clip / norm) as f32 } else { 1.0 },
            beta1: beta1 as f32,
            beta2: beta2 as f32,
            rate: (rate / corrected(beta1)) as f32,
            root: corrected(beta2).sqrt() as f32,
            eps: eps as f32,
            keep: (1.0 - if decays { rate * weight_decay } else { 0.0 }) as f32,
        }
    }
}

/// The gradient of each learning tensor; `None` if the tensor did not take part in the loss.
fn collect(parameters: &Parameters, gradients: &GradStore) -> Result<Vec<Option<Tensor>>> {
    let one = |var: &Var| gradients.get(var).map(Tensor::contiguous).transpose();
    Ok(parameters.learning().map(|(_, var)| one(var)).collect::<candle_core::Result<_>>()?)
}

fn norm(gradients: &[Option<Tensor>]) -> Result<f64> {
    let mut sum = 0.0;
    for gradient in gradients.iter().flatten() {
        sum += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
    }
    Ok(sum.sqrt())
}

/// The numbers that an update of any tensor uses.
#[derive(Debug, Clone, Copy)]
struct Update {
    /// The factor by which clipping multiplies gradients.
    scale: f32,
    beta1: f32,
    beta2: f32,
    /// The learning rate divided by `1 - β₁ᵗ`.
    rate: f32,
    /// The square root of `1 - β₂ᵗ`.
    root: f32,
    eps: f32,
    /// The factor by which decay multiplies weights.
    keep: f32,
}

impl Update {
    fn apply(&self, var: &Var, moments: &Tensor, gradient: &Tensor) -> Result<()> {
        if var.device().is_cpu() {
            moments.inplace_op2(gradient, &Remember(*self))?;
            return Ok(var.as_tensor().inplace_op2(moments, &Move(*self))?);
        }
        let (m, v) = (moments.get(0)?, moments.get(1)?);
        let gradient = (gradient * f64::from(self.scale))?;
        let mean = |old: &Tensor, new: Tensor, beta: f32| {
            (old * f64::from(beta))? + (new * f64::from(1.0 - beta))?
        };
        let (m, v) =
            (mean(&m, gradient.clone(), self.beta1)?, mean(&v, gradient.sqr()?, self.beta2)?);
        moments.slice_set(&m.unsqueeze(0)?, 0, 0)?;
        moments.slice_set(&v.unsqueeze(0)?, 0, 1)?;
        let root = ((v.sqrt()? / f64::from(self.root))? + f64::from(self.eps))?;
        let kept = (var.as_tensor() * f64::from(self.keep))?;
        Ok(var.set(&(kept - ((m / root)? * f64::from(self.rate))?)?.detach())?)
    }
}

/// The number of values that one task updates. The result does not depend on it.
const PIECE: usize = 1 << 15;

/// Updates `m` and `v` with a gradient.
struct Remember(Update);

impl InplaceOp2 for Remember {
    fn name(&self) -> &'static str {
        "adamw-moments"
    }

    fn cpu_fwd(
        &self,
        moments: &mut CpuStorage,
        _: &Layout,
        gradient: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<()> {
        let Update { scale, beta1, beta2, .. } = self.0;
        let gradient = slice(gradient, layout)?;
        let (m, v) = slice_mut(moments)?.split_at_mut(gradient.len());
        let rows = m.par_chunks_mut(PIECE).zip(v.par_chunks_mut(PIECE));
        rows.zip(gradient.par_chunks(PIECE)).for_each(|((m, v), gradient)| {
            for ((m, v), gradient) in m.iter_mut().zip(v).zip(gradient) {
                let gradient = gradient * scale;
                *m = beta1 * *m + (1.0 - beta1) * gradient;
                *v = beta2 * *v + (1.0 - beta2) * gradient * gradient;
            }
        });
        Ok(())
    }
}

/// Updates weights with `m` and `v`.
struct Move(Update);

impl InplaceOp2 for Move {
    fn name(&self) -> &'static str {
        "adamw-step"
    }

    fn cpu_fwd(
        &self,
        weights: &mut CpuStorage,
        _: &Layout,
        moments: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<()> {
        let Update { rate, root, eps, keep, .. } = self.0;
        let moments = slice(moments, layout)?;
        let weights = slice_mut(weights)?;
        let (m, v) = moments.split_at(weights.len());
        let rows = m.par_chunks(PIECE).zip(v.par_chunks(PIECE));
        weights.par_chunks_mut(PIECE).zip(rows).for_each(|(weights, (m, v))| {
            for ((weight, m), v) in weights.iter_mut().zip(m).zip(v) {
                *weight = *weight * keep - rate * m / (v.sqrt() / root + eps);
            }
        });
        Ok(())
    }
}

fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    let (start, end) = layout.contiguous_offsets().expect("gradients were made contiguous");
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// The numbers of a tensor that owns its storage, as variables do.
fn slice_mut(storage: &mut CpuStorage) -> candle_core::Result<&mut [f32]> {
    match storage {
        CpuStorage::F32(values) => Ok(values),
        _ => candle_core::bail!("weights in training are in f32"),
    }
}

/// Returns the loss, or an error if it is infinite or not a number, so that a training ends before the weights are
/// damaged.
pub fn check(loss: f32, step: usize) -> Result<f32> {
    match loss.is_finite() {
        true => Ok(loss),
        false => Err(Error::Diverged { step, loss }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Optimiser {
        Optimiser {
            steps: 10,
            batch: 1,
            rate: 0.1,
            warm_up: 2,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.01,
            clip: 1.0,
            checkpoint_every: 1,
        }
    }

    fn parameters(values: &[f32]) -> Parameters {
        let device = &candle_core::Device::Cpu;
        let var = Var::from_slice(values, (1, values.len()), device).unwrap();
        Parameters { vars: [("w".to_owned(), var)].into(), learning: vec!["w".to_owned()] }
    }

    #[test]
    fn the_rate_rises_and_falls() {
        let parameters = parameters(&[1.0]);
        let adam = AdamW::new(config(), &parameters).unwrap();
        let rates: Vec<f64> = [0, 1, 2, 6, 9].map(|step| adam.rate(step)).to_vec();
        for (rate, expected) in rates.iter().zip([0.05, 0.1, 0.1, 0.05, 0.0125]) {
            assert!((rate - expected).abs() < 1e-12, "{rates:?}");
        }
    }

    #[test]
    fn the_first_step_is_the_sign_of_the_gradient() {
        // g = (6, -8) has norm 10 and is clipped to (.6, -.8); m̂ / √v̂ = (1, -1); rate .05, decay .05 * .01 of each weight.
        let parameters = parameters(&[1.0, 2.0]);
        let adam = AdamW::new(config(), &parameters).unwrap();
        let var = &parameters.vars["w"];
        let slope = Tensor::new(&[[6f32, -8.0]], &candle_core::Device::Cpu).unwrap();
        let loss = (var.as_tensor() * slope).unwrap().sum_all().unwrap();
        let taken = adam.step(&parameters, &loss.backward().unwrap(), 0).unwrap();
        assert!((taken.norm - 10.0).abs() < 1e-6);
        let now = var.as_tensor().to_vec2::<f32>().unwrap();
        assert!((now[0][0] - (1.0 * 0.9995 - 0.05)).abs() < 1e-6, "{now:?}");
        assert!((now[0][1] - (2.0 * 0.9995 + 0.05)).abs() < 1e-6, "{now:?}");
    }
}
