//! Candle operators with gradients for what stands between products, where weights are in training on a processor.
//!
//! Candle's own fused operators have no gradient, and the composed ones spend more time than the products. The arithmetic
//! is in [`crate::cpu`]; elsewhere than on a processor in f32 these functions are the composed forms.

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, D, DType, Layout, Result, Shape, Tensor,
};

use crate::cpu::gradients::{self, Norm};

/// Whether the operators of this file apply.
fn applies(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// `x Φ(x)`
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

/// Layer normalisation over the last axis; `weight` and `bias` are `[width]`.
pub(crate) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Tensor> {
    match applies(x) {
        true => x.contiguous()?.apply_op3(weight, bias, LayerNorm(eps)),
        false => candle_nn::ops::layer_norm_slow(x, weight, bias, eps),
    }
}

/// `x + bias`, with `bias` `[width]` for every row of `x`.
pub(crate) fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    match applies(x) {
        true => x.contiguous()?.apply_op2(bias, Bias),
        false => x.broadcast_add(bias),
    }
}

fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("an operator of training needs its input contiguous"),
    }
}

/// Fills a new tensor of the shape of `layout`.
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
        x.apply_op2_no_bwd(&slope.contiguous()?, &GeluBackward).map(Some)
    }
}

struct GeluBackward;

impl CustomOp2 for GeluBackward {
    fn name(&self) -> &'static str {
        "gelu-backward"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        slope: &CpuStorage,
        slopes: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, slope) = (slice(x, layout)?, slice(slope, slopes)?);
        Ok(made(layout, |out| gradients::gelu_backward(x, slope, out)))
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
        y.apply_op2_no_bwd(&slope.contiguous()?, &SoftmaxBackward).map(Some)
    }
}

struct SoftmaxBackward;

impl CustomOp2 for SoftmaxBackward {
    fn name(&self) -> &'static str {
        "softmax-backward"
    }

    fn cpu_fwd(
        &self,
        y: &CpuStorage,
        layout: &Layout,
        slope: &CpuStorage,
        slopes: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (y, slope) = (slice(y, layout)?, slice(slope, slopes)?);
        Ok(made(layout, |out| gradients::softmax_backward(y, slope, width(layout), out)))
    }
}

/// Holds what is added to the variance.
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
        _: &Tensor,
        _: &Tensor,
        slope: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let slope = slope.contiguous()?;
        let of_x = x.apply_op3_no_bwd(weight, &slope, &NormBackward(self.0))?;
        let sums = x.apply_op3_no_bwd(weight, &slope, &NormSums(self.0))?; // [2, width]
        Ok((Some(of_x), Some(sums.get(0)?), Some(sums.get(1)?)))
    }
}

struct NormBackward(f32);

impl CustomOp3 for NormBackward {
    fn name(&self) -> &'static str {
        "layer-norm-backward"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weights: &Layout,
        slope: &CpuStorage,
        slopes: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let norm = Norm { x: slice(x, layout)?, weight: slice(weight, weights)?, eps: self.0 };
        let slope = slice(slope, slopes)?;
        Ok(made(layout, |out| norm.backward(slope, out)))
    }
}

/// Gives `[2, width]`: the gradients of weight and bias.
struct NormSums(f32);

impl CustomOp3 for NormSums {
    fn name(&self) -> &'static str {
        "layer-norm-sums"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        weight: &CpuStorage,
        weights: &Layout,
        slope: &CpuStorage,
        slopes: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let norm = Norm { x: slice(x, layout)?, weight: slice(weight, weights)?, eps: self.0 };
        let sums = norm.sums(slice(slope, slopes)?);
        Ok((CpuStorage::F32(sums), (2, width(layout)).into()))
    }
}

struct Bias;

impl CustomOp2 for Bias {
    fn name(&self) -> &'static str {
        "bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        bias: &CpuStorage,
        biases: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, bias) = (slice(x, layout)?, slice(bias, biases)?);
        Ok(made(layout, |y| gradients::add_row(x, bias, y)))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        slope: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let of_bias = slope.contiguous()?.apply_op1_no_bwd(&ColumnSums)?;
        Ok((Some(slope.clone()), Some(of_bias)))
    }
}

/// Gives `[width]`.
struct ColumnSums;

impl CustomOp1 for ColumnSums {
    fn name(&self) -> &'static str {
        "column-sums"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let sums = gradients::column_sums(slice(x, layout)?, width(layout));
        Ok((CpuStorage::F32(sums), width(layout).into()))
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
    fn a_bias_is_the_composed_one() {
        let (x, b) = (variable(6), variable(7));
        let bias = b.get(2).unwrap();
        same(&[&x, &b], &add_bias(&x, &bias).unwrap(), &x.broadcast_add(&bias).unwrap());
    }
}
