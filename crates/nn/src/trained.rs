//! Candle operators with gradients for a network in training on a processor.
//!
//! Candle's own fused operators have no gradient, and the composed ones spend more time around the products than in
//! them: each costs passes over memory for its result, and on the way back two for every input, one to clear the
//! gradient and one to add to it. So an operator here is as large as can be. The arithmetic is in [`crate::cpu`];
//! elsewhere than on a processor in f32 the composed forms are used.

use std::sync::OnceLock;

use candle_core::{
    CpuStorage, CustomOp1, CustomOp3, D, DType, Layout, Result, Shape, Storage, Tensor,
};

use crate::cpu::gradients::{self, Norm};
use crate::cpu::products::{Attention, Dense, Largest};

/// Whether the operators of this file apply to a tensor: it is on a CPU and in f32.
pub(crate) fn applies(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// `x Φ(x)` for each number of `x`.
pub(crate) fn gelu(x: &Tensor) -> Result<Tensor> {
    match applies(x) {
        true => x.contiguous()?.apply_op1(Gelu),
        false => x.gelu_erf(),
    }
}

/// Softmax over the last axis.
pub(crate) fn softmax(x: &Tensor) -> Result<Tensor> {
    match applies(x) {
        true => x.contiguous()?.apply_op1(Softmax),
        false => candle_nn::ops::softmax(x, D::Minus1),
    }
}

/// Layer norm over the last axis; `weight` and `bias` are `[width]`.
pub(crate) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
    match applies(x) {
        true => x.contiguous()?.apply_op3(weight, bias, LayerNorm(eps)),
        false => candle_nn::ops::layer_norm_slow(x, weight, bias, eps),
    }
}

/// The linear layer `x Wᵀ + b`, for a tensor to which these operators apply.
///
/// - `x`: `[…, in]`
/// - `weight`: `[out, in]`
/// - `bias`: `[out]`
pub(crate) fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&weight.contiguous()?, bias, Linear)
}

/// The attention within sequences that follow one another, for tensors to which these operators apply.
///
/// - `query`, `key`, `value`: `[rows, hidden]`
pub(crate) fn attention(
    [query, key, value]: [&Tensor; 3],
    lengths: &[usize],
    heads: usize,
) -> Result<Tensor> {
    query.apply_op3(key, value, Attend { lengths: lengths.to_vec(), heads })
}

/// The largest value of `x Wᵀ + b` over the rows of each sequence, for tensors to which these operators apply.
///
/// - `x`: `[rows, in]`
///
/// Returns `[sequences, out]`.
pub(crate) fn largest(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    lengths: &[usize],
) -> Result<Tensor> {
    let operator = LargestOf { lengths: lengths.to_vec(), places: OnceLock::new() };
    x.contiguous()?.apply_op3(&weight.contiguous()?, bias, operator)
}

fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("an operator of training needs its input contiguous"),
    }
}

/// Calls `f` with the numbers of tensors on a CPU.
fn read<R, const N: usize>(tensors: [&Tensor; N], f: impl FnOnce([&[f32]; N]) -> R) -> Result<R> {
    let guards = tensors.map(Tensor::storage_and_layout);
    let mut slices = [&[] as &[f32]; N];
    for ((storage, layout), slot) in guards.iter().zip(&mut slices) {
        let Storage::Cpu(storage) = &**storage else {
            candle_core::bail!("an operator of training is for a processor")
        };
        *slot = slice(storage, layout)?;
    }
    Ok(f(slices))
}

/// A tensor of these values, in the shape of another tensor.
fn like(tensor: &Tensor, values: Vec<f32>) -> Result<Tensor> {
    Tensor::from_vec(values, tensor.shape(), tensor.device())
}

/// Allocates numbers in the shape of `layout` and lets `fill` write them.
fn made(layout: &Layout, fill: impl FnOnce(&mut [f32])) -> (CpuStorage, Shape) {
    let mut out = vec![0.0; layout.shape().elem_count()];
    fill(&mut out);
    (CpuStorage::F32(out), layout.shape().clone())
}

fn width(layout: &Layout) -> usize {
    layout.dims().last().copied().unwrap_or(1)
}

struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = slice(x, layout)?;
        Ok(made(layout, |y| gradients::gelu_forward(x, y)))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, slope: &Tensor) -> Result<Option<Tensor>> {
        let mut out = vec![0.0; x.elem_count()];
        read([x, &slope.contiguous()?], |[x, slope]| {
            gradients::gelu_backward(x, slope, &mut out);
        })?;
        like(x, out).map(Some)
    }
}

struct Softmax;

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = slice(x, layout)?;
        Ok(made(layout, |y| gradients::softmax_forward(x, width(layout), y)))
    }

    fn bwd(&self, _: &Tensor, y: &Tensor, slope: &Tensor) -> Result<Option<Tensor>> {
        let mut out = vec![0.0; y.elem_count()];
        let width = y.dim(D::Minus1)?;
        read([y, &slope.contiguous()?], |[y, slope]| {
            gradients::softmax_backward(y, slope, width, &mut out);
        })?;
        like(y, out).map(Some)
    }
}

/// The gradients of three inputs.
type Three = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

fn three(inputs: [&Tensor; 3], gradients: [Vec<f32>; 3]) -> Result<Three> {
    let [a, b, c] = gradients;
    let [x, y, z] = inputs;
    Ok((Some(like(x, a)?), Some(like(y, b)?), Some(like(z, c)?)))
}

/// Layer norm with this epsilon.
struct LayerNorm(f32);

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weights: &Layout,
        bias: &CpuStorage,
        biases: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let norm = Norm { x: slice(x, layout)?, weight: slice(weight, weights)?, eps: self.0 };
        let bias = slice(bias, biases)?;
        Ok(made(layout, |y| norm.forward(bias, y)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        slope: &Tensor,
    ) -> Result<Three> {
        let mut of_x = vec![0.0; x.elem_count()];
        let (of_weight, of_bias) =
            read([x, weight, &slope.contiguous()?], |[x, weight, slope]| {
                let norm = Norm { x, weight, eps: self.0 };
                norm.backward(slope, &mut of_x);
                norm.sums(slope)
            })?;
        three([x, weight, bias], [of_x, of_weight, of_bias])
    }
}

struct Linear;

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weights: &Layout,
        bias: &CpuStorage,
        biases: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (slice(x, layout)?, slice(weight, weights)?);
        let dense = Dense { x, weight, inputs: width(layout) };
        let mut shape = layout.dims().to_vec();
        *shape.last_mut().expect("a tensor of rows has an axis") = dense.outputs();
        let mut y = vec![0.0; shape.iter().product()];
        dense.forward(slice(bias, biases)?, &mut y);
        Ok((CpuStorage::F32(y), shape.into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        slope: &Tensor,
    ) -> Result<Three> {
        let inputs = x.dim(D::Minus1)?;
        let gradients = read([x, weight, &slope.contiguous()?], |[x, weight, slope]| {
            Dense { x, weight, inputs }.backward(slope)
        })?;
        three([x, weight, bias], gradients)
    }
}

struct Attend {
    lengths: Vec<usize>,
    heads: usize,
}

impl Attend {
    fn of<'a>(&'a self, [query, key, value]: [&'a [f32]; 3]) -> Attention<'a> {
        Attention { query, key, value, lengths: &self.lengths, heads: self.heads }
    }
}

impl CustomOp3 for Attend {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        query: &CpuStorage,
        queries: &Layout,
        key: &CpuStorage,
        keys: &Layout,
        value: &CpuStorage,
        values: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let inputs = [slice(query, queries)?, slice(key, keys)?, slice(value, values)?];
        Ok(made(queries, |y| self.of(inputs).forward(y)))
    }

    fn bwd(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        _: &Tensor,
        slope: &Tensor,
    ) -> Result<Three> {
        let inputs = [query, key, value, &slope.contiguous()?];
        let gradients = read(inputs, |[query, key, value, slope]| {
            self.of([query, key, value]).backward(slope)
        })?;
        three([query, key, value], gradients)
    }
}

struct LargestOf {
    lengths: Vec<usize>,
    /// The row that each number came from, `[sequences, out]`.
    places: OnceLock<Vec<u32>>,
}

impl CustomOp3 for LargestOf {
    fn name(&self) -> &'static str {
        "largest"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weights: &Layout,
        bias: &CpuStorage,
        biases: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (slice(x, layout)?, slice(weight, weights)?);
        let dense = Dense { x, weight, inputs: width(layout) };
        let (y, places) = Largest { dense, lengths: &self.lengths }.forward(slice(bias, biases)?);
        let _ = self.places.set(places);
        Ok((CpuStorage::F32(y), (self.lengths.len(), dense.outputs()).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        slope: &Tensor,
    ) -> Result<Three> {
        let inputs = x.dim(D::Minus1)?;
        let places = self.places.get().expect("the way back comes after the way there");
        let gradients = read([x, weight, &slope.contiguous()?], |[x, weight, slope]| {
            let dense = Dense { x, weight, inputs };
            Largest { dense, lengths: &self.lengths }.backward(places, slope)
        })?;
        three([x, weight, bias], gradients)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    /// Numbers of all sizes, in rows of 37: two registers and a bit.
    fn variable(seed: u32) -> Var {
        let number = |i: u32| (((i * 7919 + seed * 104_729) % 1000) as f32 - 500.0) / 120.0;
        let values: Vec<f32> = (0..4 * 37).map(number).collect();
        Var::from_vec(values, (4, 37), &Device::Cpu).unwrap()
    }

    /// Holds values and gradients of two ways to compute something to each other.
    fn same(vars: &[&Var], ours: &Tensor, composed: &Tensor) {
        let weights = variable(9).as_detached_tensor();
        let gradients = |y: &Tensor| (y * &weights).unwrap().sum_all().unwrap().backward().unwrap();
        close(ours, composed);
        let (ours, composed) = (gradients(ours), gradients(composed));
        vars.iter().for_each(|var| close(ours.get(var).unwrap(), composed.get(var).unwrap()));
    }

    fn close(a: &Tensor, b: &Tensor) {
        assert_eq!(a.dims(), b.dims());
        let numbers = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (a, b) in numbers(a).into_iter().zip(numbers(b)) {
            assert!((a - b).abs() < 2e-5 * b.abs().max(1.0), "{a} {b}");
        }
    }

    #[test]
    fn gelu_is_the_composed_one() {
        let x = variable(1);
        same(&[&x], &gelu(&x).unwrap(), &x.gelu_erf().unwrap());
    }

    #[test]
    fn softmax_is_the_composed_one_and_ignores_what_is_masked() {
        let x = variable(2);
        let mask: Vec<f32> =
            (0..37).map(|i| if i < 30 { 0.0 } else { f32::NEG_INFINITY }).collect();
        let masked = x.broadcast_add(&Tensor::new(mask, &Device::Cpu).unwrap()).unwrap();
        same(&[&x], &softmax(&masked).unwrap(), &candle_nn::ops::softmax(&masked, 1).unwrap());
    }

    #[test]
    fn layer_norm_is_the_composed_one() {
        let (x, w, b) = (variable(3), variable(4), variable(5));
        let (weight, bias) = (w.get(0).unwrap(), b.get(1).unwrap());
        let composed = candle_nn::ops::layer_norm_slow(&x, &weight, &bias, 1e-12).unwrap();
        same(&[&x, &w, &b], &layer_norm(&x, &weight, &bias, 1e-12).unwrap(), &composed);
    }

    #[test]
    fn a_dense_layer_is_the_composed_one() {
        let (x, w, b) = (variable(6), variable(7), variable(8));
        let (weight, bias) = (w.t().unwrap().matmul(&w).unwrap(), b.get(2).unwrap()); // [37, 37]
        let composed = x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
        same(&[&x, &w, &b], &linear(&x, &weight, &bias).unwrap(), &composed);
    }

    /// One head of sequences of three rows and of one.
    #[test]
    fn attention_is_the_composed_one() {
        let (q, k, v) = (variable(1), variable(2), variable(3));
        let part = |from, length| {
            let [q, k, v] = [&q, &k, &v].map(|x| x.narrow(0, from, length).unwrap());
            let scores = (q.matmul(&k.t().unwrap()).unwrap() / 37f64.sqrt()).unwrap();
            candle_nn::ops::softmax(&scores, 1).unwrap().matmul(&v).unwrap()
        };
        let composed = Tensor::cat(&[part(0, 3), part(3, 1)], 0).unwrap();
        let ours = attention([&q, &k, &v], &[3, 1], 1).unwrap();
        same(&[&q, &k, &v], &ours, &composed);
    }

    /// Four sequences, so that the result has a row for each of `x`.
    #[test]
    fn the_largest_is_the_composed_one() {
        let (x, w, b) = (variable(4), variable(5), variable(6));
        let (weight, bias) = (w.t().unwrap().matmul(&w).unwrap(), b.get(1).unwrap());
        let rows = Tensor::cat(&[x.as_tensor(), &x.affine(0.5, 0.1).unwrap()], 1).unwrap();
        let rows = rows.reshape((8, 37)).unwrap(); // two for each sequence
        let composed = rows.matmul(&weight.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
        let composed = composed.reshape((4, 2, 37)).unwrap().max(1).unwrap();
        same(&[&x, &w, &b], &largest(&rows, &weight, &bias, &[2; 4]).unwrap(), &composed);
    }
}
