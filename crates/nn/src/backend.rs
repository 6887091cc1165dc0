//! Where and how exactly numbers are computed.

use std::fmt;
use std::str::FromStr;

use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};

use crate::cpu::{Arithmetic, Simd};
use crate::{Error, Result};

/// The number format in which an encoder computes. Results of different precisions are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats, the reference.
    F32,
    /// Brain floats: 8 bits of exponent, 8 bits of precision.
    Bf16,
    /// Half floats: 5 bits of exponent, 11 bits of precision.
    F16,
    /// 8-bit integers in the linear layers (weights with one scale for each output, activations with one for each
    /// token) and f32 everywhere else; on a CPU only.
    Int8,
}

const PRECISIONS: [(&str, Precision); 4] = [
    ("f32", Precision::F32),
    ("bf16", Precision::Bf16),
    ("f16", Precision::F16),
    ("int8", Precision::Int8),
];

impl Precision {
    /// All of them, the reference first.
    pub const ALL: [Self; 4] = [Self::F32, Self::Bf16, Self::F16, Self::Int8];
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = PRECISIONS.iter().find(|(_, precision)| precision == self);
        f.write_str(name.expect("every precision has a name").0)
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = PRECISIONS.iter().find(|(name, _)| *name == text);
        found.map(|&(_, precision)| precision).ok_or_else(|| {
            format!("unknown precision `{text}`: expected one of f32, bf16, f16, int8")
        })
    }
}

/// A device, and a precision that the device supports.
#[derive(Debug, Clone)]
pub struct Backend {
    device: Device,
    precision: Precision,
    plain: bool,
}

impl Backend {
    /// The reference: a CPU in f32.
    pub fn reference() -> Self {
        Self { device: Device::Cpu, precision: Precision::F32, plain: false }
    }

    /// A device that is already open, in f32.
    pub fn on(device: Device) -> Self {
        Self { device, precision: Precision::F32, plain: false }
    }

    /// The same backend without the packed form of encoders: the reference that the packed form is tested against.
    #[must_use]
    pub fn plain(self) -> Self {
        Self { plain: true, ..self }
    }

    /// Whether encoders are computed in their packed form: on a CPU, in f32 and int8.
    pub(crate) fn is_packed(&self) -> bool {
        let has = matches!(self.precision, Precision::F32 | Precision::Int8);
        has && self.device.is_cpu() && !self.plain
    }

    /// Opens `device`, which is `cpu` or `cuda:0`, for computing in `precision`.
    ///
    /// # Errors
    ///
    /// If there is no such device, or if it does not support the precision.
    pub fn new(device: &str, precision: Precision) -> Result<Self> {
        let device = open(device)?;
        if precision == Precision::Int8 && !device.is_cpu() {
            let problem = "int8 is computed on a CPU only: take --device cpu, or bf16 on the GPU";
            return Err(Error::Unfit(problem.to_owned()));
        }
        Ok(Self { device, precision, plain: false })
    }

    /// The arithmetic of the packed form.
    pub(crate) fn arithmetic(&self) -> Arithmetic {
        match self.precision {
            Precision::Int8 => Arithmetic::Int8,
            _ => Arithmetic::F32,
        }
    }

    /// What decides the bits of a head that multiplies matrices: candle leaves those products on a CPU to `gemm`, whose
    /// kernels sum in an order of their own for each instruction set.
    pub fn with_products(&self) -> String {
        match self.device.is_cpu() {
            true => format!("{self}, gemm {}", gemm_kernels()),
            false => self.to_string(),
        }
    }

    /// The device that tensors are on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The precision that encoders compute in.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The number of tokens, including padding, that pass through an encoder at once.
    pub fn batch_tokens(&self) -> usize {
        match self.device.is_cpu() {
            true => 8_192,   // enough for every core; more only costs memory
            false => 65_536, // a GPU wants work
        }
    }

    /// The type of tensors. For int8 it is f32, as weights become bytes when they are packed.
    pub fn dtype(&self) -> DType {
        match self.precision {
            Precision::F32 | Precision::Int8 => DType::F32,
            Precision::Bf16 => DType::BF16,
            Precision::F16 => DType::F16,
        }
    }
}

/// The name of everything that decides the last bits of a result, such as `cpu f32` or `cuda bf16`. The number of a GPU
/// does not, so it is left out. A processor whose kernels round differently is named separately: `cpu scalar f32`.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.device.location() {
            candle_core::DeviceLocation::Cuda { .. } => f.write_str("cuda ")?,
            _ if Simd::get().is_fused() => f.write_str("cpu ")?,
            _ => f.write_str("cpu scalar ")?,
        }
        self.precision.fmt(f)
    }
}

/// The widest instruction set for which `gemm` has kernels on this processor; the variable `NIR_SIMD` does not change
/// it.
fn gemm_kernels() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        match (is_x86_feature_detected!("avx512f"), is_x86_feature_detected!("fma")) {
            (true, _) => return "avx512",
            (_, true) => return "fma",
            _ => {}
        }
    }
    std::env::consts::ARCH
}

fn open(device: &str) -> Result<Device> {
    if device == "cpu" {
        return Ok(Device::Cpu);
    }
    let number = device.strip_prefix("cuda:").and_then(|number| number.parse::<usize>().ok());
    let Some(number) = number else {
        let problem = format!("unknown device `{device}`: expected `cpu` or `cuda:0`");
        return Err(Error::Unfit(problem));
    };
    if !candle_core::utils::cuda_is_available() {
        let problem = format!(
            "`{device}` needs a program with CUDA: build it with `cargo build --release --features cuda`"
        );
        return Err(Error::Unfit(problem));
    }
    Device::new_cuda(number)
        .map_err(|error| Error::Unfit(format!("`{device}` cannot be used: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_says_what_it_is() {
        assert_eq!(Backend::reference().to_string(), "cpu f32");
        assert_eq!(Backend::new("cpu", Precision::Int8).unwrap().to_string(), "cpu int8");
    }

    #[test]
    fn unknown_devices_and_precisions_list_the_known() {
        let error = Backend::new("gpu", Precision::F32).unwrap_err().to_string();
        assert_eq!(error, "unknown device `gpu`: expected `cpu` or `cuda:0`");
        let error = "fp8".parse::<Precision>().unwrap_err();
        assert_eq!(error, "unknown precision `fp8`: expected one of f32, bf16, f16, int8");
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_gpu_without_cuda_says_how_to_build_it() {
        let error = Backend::new("cuda:0", Precision::F16).unwrap_err().to_string();
        assert!(error.contains("--features cuda"), "{error}");
    }
}
