//! The few layers that every encoder is made of.

use std::str::FromStr;

use candle_core::{D, DType, Tensor};

use crate::architecture::Centring;
use crate::{Error, Result, Tensors, cpu, trained};

/// A linear layer `y = x Wᵀ + b`.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Takes `{name}.weight`, `[out, width]`, and `{name}.bias`, `[out]`.
    pub fn load(tensors: &mut Tensors, name: &str, out: usize, width: usize) -> Result<Self> {
        Self::load_with(tensors, name, (out, width), true)
    }

    /// Takes `{name}.weight`, and `{name}.bias` if `bias` says that the architecture has one.
    pub fn load_with(
        tensors: &mut Tensors,
        name: &str,
        (out, width): (usize, usize),
        bias: bool,
    ) -> Result<Self> {
        let weight = tensors.take(&format!("{name}.weight"), &[out, width])?;
        let bias = bias.then(|| tensors.take(&format!("{name}.bias"), &[out])).transpose()?;
        Ok(Self { weight, bias })
    }

    /// The layer of `count` outputs from output `first` on, for layers that were saved as one tensor.
    pub fn part(&self, first: usize, count: usize) -> Result<Self> {
        let part = |tensor: &Tensor| tensor.narrow(0, first, count)?.contiguous();
        Ok(Self { weight: part(&self.weight)?, bias: self.bias.as_ref().map(part).transpose()? })
    }

    /// Takes the layer of a head: the checkpoint decides how many outputs it has, whether there is a bias, and below
    /// which prefix it stands.
    pub fn load_head(tensors: &mut Tensors, name: &str, width: usize) -> Result<Self> {
        let name = tensors.head(name)?;
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let out = tensors.shape(&weight).and_then(|shape| shape.first()).copied().unwrap_or(1);
        let weight = tensors.take(&weight, &[out, width])?;
        let bias = if tensors.has(&bias) { Some(tensors.take(&bias, &[out])?) } else { None };
        Ok(Self { weight, bias })
    }

    /// Makes a layer of tensors that were loaded separately: `weight` is `[out, in]`, `bias` is `[out]`.
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    /// Applies the layer.
    ///
    /// Returns `[…, out]`, in f32; the product itself is taken in the type of the weights.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if let (Some(bias), true) = (&self.bias, trains(x) || trains(&self.weight)) {
            return Ok(trained::linear(x, &self.weight, bias)?);
        }
        let width = x.dim(D::Minus1)?;
        let rows = x.to_dtype(self.weight.dtype())?;
        let rows = rows.reshape(((), width))?; // [rows, in]: one product, however many axes there are
        let y = wide(&rows.matmul(&self.weight.t()?)?)?; // [rows, out]
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(&wide(bias)?)?,
            None => y,
        };
        let mut shape = x.dims().to_vec();
        *shape.last_mut().expect("a tensor of rows has an axis") = self.outputs();
        Ok(y.reshape(shape)?)
    }

    /// The number of outputs.
    pub fn outputs(&self) -> usize {
        self.weight.dims()[0]
    }

    /// The weights, `[out, in]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias, `[out]`.
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }
}

/// Layer norm: each row is shifted and scaled to mean 0 and variance 1, then multiplied by a weight and added to a
/// bias. With [`Centring::Nothing`] a row is not shifted, and scaled to mean square 1.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
    centring: Centring,
}

impl LayerNorm {
    /// Takes `{name}.weight` and `{name}.bias`, both `[width]`.
    pub fn load(tensors: &mut Tensors, name: &str, width: usize, eps: f64) -> Result<Self> {
        Self::load_with(tensors, name, (width, eps), true)
    }

    /// Takes `{name}.weight`, and `{name}.bias` if `bias` says that the architecture has one; otherwise the bias is 0.
    pub fn load_with(
        tensors: &mut Tensors,
        name: &str,
        (width, eps): (usize, f64),
        bias: bool,
    ) -> Result<Self> {
        let weight = tensors.take(&format!("{name}.weight"), &[width])?;
        let bias = match bias {
            true => tensors.take(&format!("{name}.bias"), &[width])?,
            false => weight.zeros_like()?,
        };
        Ok(Self { weight, bias, eps, centring: Centring::Mean })
    }

    /// The same weights with another centring.
    #[must_use]
    pub fn centred(self, centring: Centring) -> Self {
        Self { centring, ..self }
    }

    /// Applies the layer norm.
    ///
    /// Returns the same shape, in f32. Candle's fused operator has no gradient, so weights in training take another.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (x, eps) = (wide(x)?, self.eps as f32);
        let (weight, bias) = (wide(&self.weight)?, wide(&self.bias)?);
        Ok(match (self.centring, x.track_op()) {
            (Centring::Mean, true) => trained::layer_norm(&x, &weight, &bias, eps)?,
            (Centring::Mean, false) => candle_nn::ops::layer_norm(&x, &weight, &bias, eps)?,
            (Centring::Nothing, true) => {
                candle_nn::ops::rms_norm_slow(&x, &weight, eps)?.broadcast_add(&bias)?
            }
            (Centring::Nothing, false) => {
                candle_nn::ops::rms_norm(&x, &weight, eps)?.broadcast_add(&bias)?
            }
        })
    }

    /// The weights, `[width]`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The bias, `[width]`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }
}

/// Whether a tensor belongs to a network in training, so that operators with gradients must be used.
pub(crate) fn trains(x: &Tensor) -> bool {
    x.track_op() && trained::applies(x)
}

/// Softmax over the last axis; it has a gradient if `x` has one.
pub(crate) fn softmax(x: &Tensor) -> Result<Tensor> {
    let y = match x.track_op() {
        true => trained::softmax(&wide(x)?)?,
        false => candle_nn::ops::softmax_last_dim(&wide(x)?)?,
    };
    Ok(y.to_dtype(x.dtype())?)
}

/// The tensor in f32. Sums of squares exceed the range of a half float, and sums of exponentials exceed its precision.
pub(crate) fn wide(x: &Tensor) -> Result<Tensor> {
    Ok(x.to_dtype(DType::F32)?.contiguous()?)
}

/// An activation function, by the name that a checkpoint's `config.json` uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x Φ(x)` with the exact normal distribution (Hendrycks and Gimpel, 2016).
    Gelu,
    /// GELU approximated by the hyperbolic tangent, which differs from `Gelu` in the fourth decimal.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `x / (1 + exp(-x))` (Elfwing, Uchibe and Doya, 2017).
    Silu,
    /// `tanh(x)`.
    Tanh,
    /// `x`: no activation.
    Identity,
}

const ACTIVATIONS: [(&str, Activation); 7] = [
    ("gelu", Activation::Gelu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("relu", Activation::Relu),
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("tanh", Activation::Tanh),
];

impl FromStr for Activation {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = ACTIVATIONS.iter().find(|(name, _)| *name == text);
        found.map(|&(_, activation)| activation).ok_or_else(|| {
            let known: Vec<&str> = ACTIVATIONS.iter().map(|(name, _)| *name).collect();
            format!("unknown activation `{text}`: expected one of {}", known.join(", "))
        })
    }
}

impl Activation {
    /// The same function for the packed form of encoders; an error if it has none.
    pub(crate) fn packed(self) -> Result<cpu::Activation> {
        match self {
            Self::Gelu => Ok(cpu::Activation::Gelu),
            Self::GeluTanh => Ok(cpu::Activation::GeluTanh),
            Self::Relu => Ok(cpu::Activation::Relu),
            Self::Silu => Ok(cpu::Activation::Silu),
            Self::Identity => Ok(cpu::Activation::Identity),
            Self::Tanh => {
                Err(Error::Unfit("no encoder is known with `tanh` in its blocks".to_owned()))
            }
        }
    }

    /// Applies the function to each number of `x`.
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Gelu if x.track_op() => trained::gelu(x)?,
            Self::Gelu => x.gelu_erf()?,
            Self::GeluTanh => x.gelu()?,
            Self::Relu => x.relu()?,
            Self::Silu => x.silu()?,
            Self::Tanh => x.tanh()?,
            Self::Identity => x.clone(),
        })
    }
}
