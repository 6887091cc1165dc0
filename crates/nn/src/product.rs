//! A linear layer in the form that is fastest on a backend.

use candle_core::{D, Device, Tensor};

use crate::layers::Linear;
use crate::packed::pack;
use crate::{Backend, Result, cpu, numbers};

/// A linear layer: packed where encoders are packed, in candle elsewhere.
pub(crate) enum Product {
    /// In candle, in the precision of the run.
    Plain(Linear),
    /// On a CPU, in f32 or int8.
    Packed(cpu::Linear),
}

impl Product {
    /// Prepares a loaded layer for a backend.
    pub(crate) fn new(linear: Linear, backend: &Backend) -> Result<Self> {
        Ok(match backend.is_packed() {
            true => Self::Packed(pack(&linear, backend.arithmetic())?),
            false => Self::Plain(linear),
        })
    }

    /// Applies the layer to `[rows, in]`; returns `[rows, out]` in f32.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain(linear) => linear.forward(x),
            Self::Packed(linear) => {
                let rows = x.elem_count() / x.dim(D::Minus1)?.max(1);
                let mut out = vec![0.0; rows * linear.outputs()];
                linear.apply(&numbers(x)?, cpu::Activation::Identity, &mut out);
                Ok(Tensor::from_vec(out, (rows, linear.outputs()), &Device::Cpu)?)
            }
        }
    }

    /// The number of outputs.
    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::Plain(linear) => linear.outputs(),
            Self::Packed(linear) => linear.outputs(),
        }
    }
}
