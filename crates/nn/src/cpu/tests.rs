//! Every level of instructions against the formulas in `f64`.

use proptest::prelude::*;
use rayon::ThreadPoolBuilder;

use super::kernels::{Job, Lanes};
use super::*;

/// xorshift64 (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    }

    fn values(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.uniform() * scale).collect()
    }
}

/// A weight and a bias.
type Pair = (Vec<f32>, Vec<f32>);

/// A transformer with random weights.
struct Model {
    shape: Shape,
    /// Query, key, value, output, up and down of each layer.
    dense: Vec<[Pair; 6]>,
    /// The two normalisations of each layer.
    norms: Vec<[Pair; 2]>,
}

impl Model {
    fn new(shape: Shape, layers: usize, random: &mut Random) -> Self {
        let Shape { hidden: h, intermediate: i, .. } = shape;
        let sizes = [(h, h), (h, h), (h, h), (h, h), (i, h), (h, i)];
        let dense = (0..layers).map(|_| {
            // Outputs of about the size of inputs, as in trained layers.
            sizes.map(|(outputs, inputs)| {
                let scale = (12.0 / inputs as f32).sqrt();
                (random.values(outputs * inputs, scale), random.values(outputs, 0.2))
            })
        });
        let dense = dense.collect();
        let norm = |random: &mut Random| {
            (random.values(h, 0.4).iter().map(|w| w + 1.0).collect(), random.values(h, 0.4))
        };
        let norms = (0..layers).map(|_| [norm(random), norm(random)]).collect();
        Self { shape, dense, norms }
    }

    fn pack(&self, arithmetic: Arithmetic, simd: Simd) -> Layers {
        let mut layers = Layers::new(self.shape, arithmetic, simd).unwrap();
        for (dense, norms) in self.dense.iter().zip(&self.norms) {
            let [query, key, value, output, up, down] =
                dense.each_ref().map(|(weight, bias)| Dense { weight, bias });
            let [attention_norm, output_norm] =
                norms.each_ref().map(|(weight, bias)| Norm { weight, bias });
            let weights =
                LayerWeights { query, key, value, output, attention_norm, up, down, output_norm };
            layers.push(&weights).unwrap();
        }
        layers
    }

    /// The last hidden states of one sequence, straight from the formulas.
    fn reference(&self, tokens: &[Vec<f32>]) -> Vec<Vec<f64>> {
        let mut states: Vec<Vec<f64>> = tokens.iter().map(|row| widen(row)).collect();
        let eps = f64::from(self.shape.norm_eps);
        for (dense, norms) in self.dense.iter().zip(&self.norms) {
            let [query, key, value, output, up, down] = dense;
            let all = |pair: &Pair| states.iter().map(|x| linear(pair, x)).collect::<Vec<_>>();
            let context = self.attend(&all(query), &all(key), &all(value));
            for (state, context) in states.iter_mut().zip(&context) {
                *state = normalise(&norms[0], eps, &sum(state, &linear(output, context)));
                let inner = linear(up, state);
                let inner = inner.iter().map(|&x| activate(self.shape.activation, x));
                let inner: Vec<f64> = inner.collect();
                *state = normalise(&norms[1], eps, &sum(state, &linear(down, &inner)));
            }
        }
        states
    }

    fn attend(
        &self,
        queries: &[Vec<f64>],
        keys: &[Vec<f64>],
        values: &[Vec<f64>],
    ) -> Vec<Vec<f64>> {
        let width = self.shape.hidden / self.shape.heads;
        let attend = |query: &Vec<f64>| {
            let mut context = vec![0.0; query.len()];
            for head in (0..query.len()).step_by(width) {
                let score = |key: &Vec<f64>| {
                    dot(&query[head..head + width], &key[head..]) / (width as f64).sqrt()
                };
                let powers: Vec<f64> = keys.iter().map(|key| score(key).exp()).collect();
                let total: f64 = powers.iter().sum();
                for (power, value) in powers.iter().zip(values) {
                    for d in head..head + width {
                        context[d] += power / total * value[d];
                    }
                }
            }
            context
        };
        queries.iter().map(attend).collect()
    }
}

fn widen(row: &[f32]) -> Vec<f64> {
    row.iter().map(|&x| f64::from(x)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn linear((weight, bias): &Pair, x: &[f64]) -> Vec<f64> {
    let rows = weight.chunks_exact(x.len());
    rows.zip(bias).map(|(row, &bias)| dot(&widen(row), x) + f64::from(bias)).collect()
}

fn normalise((weight, bias): &Pair, eps: f64, x: &[f64]) -> Vec<f64> {
    let width = x.len() as f64;
    let mean = x.iter().sum::<f64>() / width;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width;
    let scale = 1.0 / (variance + eps).sqrt();
    let affine = widen(weight).into_iter().zip(widen(bias));
    x.iter().zip(affine).map(|(x, (weight, bias))| (x - mean) * scale * weight + bias).collect()
}

fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::Gelu => x * phi(x),
        Activation::GeluTanh => {
            0.5 * x
                * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
        }
    }
}

/// The normal distribution: `1/2 + φ(x) Σ x^(2n+1) / (1 · 3 · 5 ⋯ (2n+1))`, whose terms are all of one sign.
fn phi(x: f64) -> f64 {
    let (mut term, mut series) = (x, x);
    for n in 1..200 {
        term *= x * x / f64::from(2 * n + 1);
        series += term;
    }
    0.5 + series * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// The rows of each sequence.
fn sequences(lengths: &[usize], hidden: usize, random: &mut Random) -> Vec<Vec<Vec<f32>>> {
    let sequence = |&length: &usize| (0..length).map(|_| random.values(hidden, 3.0)).collect();
    lengths.iter().map(sequence).collect()
}

fn forward(layers: &Layers, sequences: &[Vec<Vec<f32>>], rows: Rows) -> Vec<f32> {
    let lengths: Vec<usize> = sequences.iter().map(Vec::len).collect();
    let count = match rows {
        Rows::All => lengths.iter().sum(),
        Rows::First => lengths.len(),
    };
    let mut out = vec![f32::NAN; count * layers.shape.hidden];
    let embed = |sequence: usize, to: &mut [f32]| to.copy_from_slice(&sequences[sequence].concat());
    layers.forward(&lengths, &lengths, rows, embed, &mut out);
    out
}

/// `|a - b| / |b|`
fn distance(a: &[f32], b: &[f64]) -> f64 {
    let difference: f64 = a.iter().zip(b).map(|(&a, b)| (f64::from(a) - b).powi(2)).sum();
    (difference / b.iter().map(|b| b * b).sum::<f64>()).sqrt()
}

fn minilm(layers: usize) -> Model {
    let shape = Shape {
        hidden: 384,
        heads: 12,
        intermediate: 1536,
        norm_eps: 1e-12,
        activation: Activation::Gelu,
    };
    Model::new(shape, layers, &mut Random(9))
}

fn shapes() -> impl Strategy<Value = Shape> {
    let activation = prop_oneof![
        Just(Activation::Identity),
        Just(Activation::Relu),
        Just(Activation::Gelu),
        Just(Activation::GeluTanh)
    ];
    (1..5_usize, 2..70_usize, 1..130_usize, activation).prop_map(
        |(heads, width, intermediate, activation)| Shape {
            hidden: heads * width,
            heads,
            intermediate,
            norm_eps: 1e-5,
            activation,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn floats_agree_with_the_formulas(
        shape in shapes(), lengths in prop::collection::vec(0..40_usize, 0..6), seed in 1..u64::MAX
    ) {
        let random = &mut Random(seed);
        let model = Model::new(shape, 2, random);
        let sequences = sequences(&lengths, shape.hidden, random);
        let expected: Vec<f64> =
            sequences.iter().flat_map(|tokens| model.reference(tokens).concat()).collect();
        for simd in Simd::available() {
            let states = forward(&model.pack(Arithmetic::F32, simd), &sequences, Rows::All);
            prop_assert_eq!(states.len(), expected.len());
            if !expected.is_empty() {
                let distance = distance(&states, &expected);
                prop_assert!(distance < 5e-6, "{}: {distance:e}", simd.name());
            }
        }
    }

    #[test]
    fn a_sequence_does_not_depend_on_its_neighbours(
        shape in shapes(), lengths in prop::collection::vec(1..30_usize, 1..12), seed in 1..u64::MAX
    ) {
        let random = &mut Random(seed);
        let model = Model::new(shape, 2, random);
        let sequences = sequences(&lengths, shape.hidden, random);
        for (simd, arithmetic) in levels() {
            let layers = model.pack(arithmetic, simd);
            let alone: Vec<f32> = sequences.iter().flat_map(|s| forward(&layers, std::slice::from_ref(s), Rows::All)).collect();
            for threads in [1, 3] {
                let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let together = pool.install(|| forward(&layers, &sequences, Rows::All));
                prop_assert!(alone == together, "{} {arithmetic:?}, {threads} threads", simd.name());
            }
        }
    }

    /// AVX2, AVX-512 and NEON fuse every multiply-add and sum in one order; portable code on x86-64 rounds twice.
    #[test]
    fn every_instruction_set_gives_the_same_bits(
        shape in shapes(), lengths in prop::collection::vec(0..40_usize, 1..6), seed in 1..u64::MAX
    ) {
        let random = &mut Random(seed);
        let model = Model::new(shape, 2, random);
        let sequences = sequences(&lengths, shape.hidden, random);
        for arithmetic in [Arithmetic::F32, Arithmetic::Int8] {
            let fused = Simd::available().into_iter().filter(|simd| simd.is_fused());
            let all: Vec<Vec<u32>> = fused
                .map(|simd| forward(&model.pack(arithmetic, simd), &sequences, Rows::All))
                .map(|states| states.into_iter().map(f32::to_bits).collect())
                .collect();
            prop_assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{arithmetic:?}");
        }
    }

    #[test]
    fn the_first_rows_alone_are_those_of_all(
        shape in shapes(), lengths in prop::collection::vec(1..30_usize, 1..12), seed in 1..u64::MAX
    ) {
        let random = &mut Random(seed);
        let model = Model::new(shape, 2, random);
        let sequences = sequences(&lengths, shape.hidden, random);
        for (simd, arithmetic) in levels() {
            let layers = model.pack(arithmetic, simd);
            let all = forward(&layers, &sequences, Rows::All);
            let first = forward(&layers, &sequences, Rows::First);
            let mut token = 0;
            for (row, length) in first.chunks_exact(shape.hidden).zip(&lengths) {
                prop_assert_eq!(row, &all[token * shape.hidden..][..shape.hidden]);
                token += length;
            }
        }
    }

    #[test]
    fn a_maximum_over_rows_is_that_of_all_values(
        inputs in 1..90_usize, outputs in 1..200_usize,
        lengths in prop::collection::vec(0..20_usize, 0..9), seed in 1..u64::MAX
    ) {
        let random = &mut Random(seed);
        let (weight, bias) = (random.values(outputs * inputs, 1.0), random.values(outputs, 1.0));
        let tokens: usize = lengths.iter().sum();
        let rows = random.values(tokens * inputs, 2.0);
        for (simd, arithmetic) in levels() {
            let dense = Dense { weight: &weight, bias: &bias };
            let linear = Linear::pack(&dense, inputs, arithmetic, simd).unwrap();
            let (mut all, mut most) = (vec![0.0; tokens * outputs], vec![0.0; lengths.len() * outputs]);
            linear.apply(&rows, Activation::Identity, &mut all);
            linear.max_over_rows(&rows, &lengths, &mut most);
            let mut token = 0;
            for (most, length) in most.chunks_exact(outputs).zip(&lengths) {
                for (output, &most) in most.iter().enumerate() {
                    let values = (token..token + length).map(|row| all[row * outputs + output]);
                    prop_assert_eq!(most, values.fold(f32::NEG_INFINITY, f32::max));
                }
                token += length;
            }
        }
    }

    #[test]
    fn bytes_round_a_product_by_their_steps_only(
        inputs in 1..90_usize, outputs in 1..100_usize, rows in 1..20_usize, seed in 1..u64::MAX
    ) {
        let random = &mut Random(seed);
        let (weight, bias) = (random.values(outputs * inputs, 1.0), random.values(outputs, 1.0));
        let activations = random.values(rows * inputs, 2.0);
        let pair = (weight, bias);
        for simd in Simd::available() {
            let dense = Dense { weight: &pair.0, bias: &pair.1 };
            let layer = Linear::pack(&dense, inputs, Arithmetic::Int8, simd).unwrap();
            let mut out = vec![0.0; rows * outputs];
            layer.apply(&activations, Activation::Identity, &mut out);
            for (row, out) in activations.chunks_exact(inputs).zip(out.chunks_exact(outputs)) {
                for (&value, expected) in out.iter().zip(linear(&pair, &widen(row))) {
                    // |x| ≤ 1 in steps of at most 2/255, off by one at most (value and zero are rounded);
                    // |w| ≤ 1/2 in steps of at most 1/254, off by half a step.
                    let bound = inputs as f64 * (0.5 * 2.0 / 255.0 + (1.0 + 2.0 / 255.0) * 0.5 / 254.0) + 1e-4;
                    prop_assert!((f64::from(value) - expected).abs() <= bound, "{}", simd.name());
                }
            }
        }
    }
}

#[test]
fn an_instruction_set_is_the_widest_that_a_name_allows() {
    let name = |name| Simd::widest(name).map(Simd::name);
    assert_eq!(
        [name("sse9"), name("scalar"), name("neon")],
        [None, Some("scalar"), Some("scalar")]
    );
    for simd in Simd::available() {
        assert_eq!(Simd::widest(simd.name()), Some(simd));
    }
    assert_eq!(Simd::widest("avx512"), Simd::available().last().copied());
}

fn levels() -> Vec<(Simd, Arithmetic)> {
    let both = |simd| [(simd, Arithmetic::F32), (simd, Arithmetic::Int8)];
    Simd::available().into_iter().flat_map(both).collect()
}

#[test]
fn a_long_sequence_of_the_minilm_shape_agrees_with_the_formulas() {
    let model = minilm(2);
    let sequences = sequences(&[193, 1], 384, &mut Random(5));
    let expected: Vec<f64> =
        sequences.iter().flat_map(|tokens| model.reference(tokens).concat()).collect();
    for simd in Simd::available() {
        let floats = distance(
            &forward(&model.pack(Arithmetic::F32, simd), &sequences, Rows::All),
            &expected,
        );
        let bytes = distance(
            &forward(&model.pack(Arithmetic::Int8, simd), &sequences, Rows::All),
            &expected,
        );
        assert!(floats < 2e-6, "{}: {floats:e}", simd.name());
        // A cosine of at least .998.
        assert!(bytes > 1e-4 && bytes < 0.06, "{}: {bytes}", simd.name());
    }
}

#[test]
fn nothing_gives_nothing() {
    let layers = minilm(1).pack(Arithmetic::F32, Simd::detect());
    assert!(forward(&layers, &[], Rows::All).is_empty());
    assert!(forward(&layers, &[vec![]], Rows::All).is_empty());
    assert_eq!(forward(&layers, &[vec![]], Rows::First), [0.0; 384]);
}

#[test]
fn weights_of_another_size_are_refused() {
    let shape = Shape { hidden: 385, ..minilm(1).shape };
    let error = Layers::new(shape, Arithmetic::F32, Simd::detect()).err().unwrap().to_string();
    assert!(error.starts_with("12 attention heads cannot share a width of 385"), "{error}");
    let dense = Dense { weight: &[0.0; 5], bias: &[0.0; 2] };
    let error =
        Linear::pack(&dense, 3, Arithmetic::Int8, Simd::detect()).err().unwrap().to_string();
    assert!(error.starts_with("the weight of a linear layer has 5 values, expected 6"), "{error}");
}

#[test]
fn embeddings_are_summed_and_normalised() {
    let tables = Tables {
        word: vec![9.0, 9.0, 1.0, 2.0],
        position: vec![7.0, 7.0, 0.0, 1.0],
        token_type: vec![5.0, 5.0, 0.0, 1.0],
        first_position: 1,
    };
    let norm = Norm { weight: &[2.0, 3.0], bias: &[0.5, 0.25] };
    for simd in Simd::available() {
        let embeddings = Embeddings::new(tables.clone(), &norm, 0.0, simd).unwrap();
        let mut row = [0.0; 2];
        embeddings.write(&[1], &[1], &mut row);
        // [1, 4] has mean 2.5 and deviation 1.5, so it becomes [-1, 1]
        assert_eq!(row, [-2.0 + 0.5, 3.0 + 0.25]);
        assert_eq!(embeddings.longest(), 1);
    }
}

/// Applies a function of registers to a slice.
struct Map<'a>(&'a mut [f32], Mapped);

#[derive(Clone, Copy)]
enum Mapped {
    Exp2,
    Function(math::Function),
}

impl Job for Map<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        for part in self.0.chunks_mut(V::LANES) {
            let x = V::load(part);
            let y = match self.1 {
                Mapped::Exp2 => math::exp2(x),
                Mapped::Function(function) => function.apply(x),
            };
            y.store(part);
        }
    }
}

fn grid(from: f32, to: f32) -> Vec<f32> {
    (0..=40_001_u16).map(|i| from + (to - from) * f32::from(i) / 40_001.0).collect()
}

#[test]
fn powers_of_two_are_good_to_two_units_in_the_last_place() {
    for simd in Simd::available() {
        let x = grid(-126.0, 20.0);
        let mut y = x.clone();
        simd.run(Map(&mut y, Mapped::Exp2));
        for (x, y) in x.into_iter().zip(y) {
            let exact = f64::from(x).exp2();
            assert!(
                (f64::from(y) / exact - 1.0).abs() < 2.0 * f64::from(f32::EPSILON),
                "2^{x} = {y}"
            );
        }
    }
}

fn check_activations(arithmetic: Arithmetic, tolerance: f64, to: f32) {
    for simd in Simd::available() {
        for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
            let x = grid(-to, to);
            let mut y = x.clone();
            simd.run(Map(&mut y, Mapped::Function(activation.function(arithmetic))));
            for (x, y) in x.into_iter().zip(y) {
                let exact = activate(activation, f64::from(x));
                let error = (f64::from(y) - exact).abs();
                assert!(
                    error < tolerance.max(2e-7 * exact.abs()),
                    "{activation:?}({x}) = {y}, not {exact}"
                );
            }
        }
    }
}

#[test]
fn activations_are_good_to_a_millionth() {
    check_activations(Arithmetic::F32, 1e-6, 12.0);
}

#[test]
fn activations_between_bytes_are_good_to_a_5000th() {
    check_activations(Arithmetic::Int8, 2e-4, 8.0);
}
