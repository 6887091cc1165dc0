//! Every level of instructions against the formulas in `f64`.

use std::sync::Arc;

use nir_kernels::{Job, Lanes};
use proptest::prelude::*;
use rayon::ThreadPoolBuilder;

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

/// How attention of a [`Model`] knows where tokens stand.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Standing {
    Nowhere,
    Distances,
    Rotary,
    Disentangled,
}

/// Positions that a [`Model`] serves.
const POSITIONS: usize = 64;

/// Rows of the table of distances: -4 to 3.
const DISTANCES: usize = 8;

/// What is added to scores by distance.
fn bias(head: usize, distance: i64) -> f32 {
    (head + 1) as f32 * 0.05 * (distance as f32 - 0.5 * distance.abs() as f32)
}

/// The angle by which a pair is turned.
fn angle(position: usize, pair: usize) -> f32 {
    position as f32 / (pair + 1) as f32
}

fn row_of(distance: i64) -> usize {
    (4 - distance).clamp(0, DISTANCES as i64 - 1) as usize
}

/// A transformer with random weights.
struct Model {
    shape: Shape,
    /// Query, key, value, output, up, down and gate of each layer.
    dense: Vec<[Pair; 7]>,
    /// The two normalisations of each layer.
    norms: Vec<[Pair; 2]>,
    final_norm: Pair,
    gated: bool,
    standing: Standing,
    window: Option<usize>,
    /// `[DISTANCES, hidden]`
    table: Vec<f32>,
}

impl Model {
    fn new(shape: Shape, layers: usize, random: &mut Random) -> Self {
        let Shape { hidden: h, intermediate: i, .. } = shape;
        let sizes = [(h, h), (h, h), (h, h), (h, h), (i, h), (h, i), (i, h)];
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
        let final_norm = norm(random);
        let table = random.values(DISTANCES * h, 2.0);
        let (gated, standing, window) = (false, Standing::Nowhere, None);
        Self { shape, dense, norms, final_norm, gated, standing, window, table }
    }

    fn relation(&self, query: &Dense<'_>, key: &Dense<'_>, simd: Simd) -> Relation {
        let Shape { hidden, heads, .. } = self.shape;
        let half = hidden / heads / 2;
        match self.standing {
            Standing::Nowhere => Relation::None,
            Standing::Distances => {
                Relation::Distances(Arc::new(Distances::new(heads, POSITIONS, bias)))
            }
            Standing::Rotary => {
                let angles = || (0..POSITIONS).flat_map(|at| (0..half).map(move |i| angle(at, i)));
                let turns = [angles().map(f32::cos).collect(), angles().map(f32::sin).collect()];
                Relation::Rotary(Arc::new(Rotary::new(turns, half)))
            }
            Standing::Disentangled => {
                let rows = RowsByDistance::new(DISTANCES, POSITIONS, row_of);
                let sizes = (hidden, heads);
                let made = Disentangled::new(rows, &self.table, query, key, sizes, simd).unwrap();
                Relation::Disentangled(Arc::new(made))
            }
        }
    }

    fn pack(&self, arithmetic: Arithmetic, simd: Simd) -> Layers {
        let mut layers = Layers::new(self.shape, arithmetic, simd).unwrap();
        for (dense, norms) in self.dense.iter().zip(&self.norms) {
            let [query, key, value, output, up, down, gate] =
                dense.each_ref().map(|(weight, bias)| Dense { weight, bias });
            let [attention_norm, output_norm] =
                norms.each_ref().map(|(weight, bias)| Norm { weight, bias });
            let attention_norm = Some(attention_norm);
            let (gate, window) = (self.gated.then_some(gate), self.window);
            let relation = self.relation(&query, &key, simd);
            let weights = LayerWeights {
                query,
                key,
                value,
                output,
                attention_norm,
                gate,
                up,
                down,
                output_norm,
                relation,
                window,
            };
            layers.push(&weights).unwrap();
        }
        if self.shape.placement == Placement::Before {
            let (weight, bias) = &self.final_norm;
            layers.finish(&Norm { weight, bias }).unwrap();
        }
        layers
    }

    /// The last hidden states of one sequence, straight from the formulas.
    fn reference(&self, tokens: &[Vec<f32>]) -> Vec<Vec<f64>> {
        let mut states: Vec<Vec<f64>> = tokens.iter().map(|row| widen(row)).collect();
        let eps = f64::from(self.shape.norm_eps);
        let before = self.shape.placement == Placement::Before;
        for (dense, norms) in self.dense.iter().zip(&self.norms) {
            let normed = |norm: &Pair, x: &[f64]| normalise(norm, eps, x);
            let inputs: Vec<Vec<f64>> = match before {
                true => states.iter().map(|x| normed(&norms[0], x)).collect(),
                false => states.clone(),
            };
            for (state, context) in states.iter_mut().zip(self.attend(dense, &inputs)) {
                let attended = sum(state, &linear(&dense[3], &context));
                *state = if before {
                    sum(&attended, &self.feed_forward(dense, &normed(&norms[1], &attended)))
                } else {
                    let attended = normed(&norms[0], &attended);
                    normed(&norms[1], &sum(&attended, &self.feed_forward(dense, &attended)))
                };
            }
        }
        match before {
            true => states.iter().map(|x| normalise(&self.final_norm, eps, x)).collect(),
            false => states,
        }
    }

    fn feed_forward(&self, dense: &[Pair; 7], x: &[f64]) -> Vec<f64> {
        let activated = |pair: &Pair| -> Vec<f64> {
            linear(pair, x).iter().map(|&x| activate(self.shape.activation, x)).collect()
        };
        let inner = if self.gated {
            let gates = activated(&dense[6]);
            gates.iter().zip(linear(&dense[4], x)).map(|(gate, up)| gate * up).collect()
        } else {
            activated(&dense[4])
        };
        linear(&dense[5], &inner)
    }

    fn attend(&self, dense: &[Pair; 7], inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let all = |pair: &Pair| inputs.iter().map(|x| linear(pair, x)).collect::<Vec<_>>();
        let (mut queries, mut keys, values) = (all(&dense[0]), all(&dense[1]), all(&dense[2]));
        let width = self.shape.hidden / self.shape.heads;
        if self.standing == Standing::Rotary {
            queries.iter_mut().enumerate().for_each(|(at, x)| turn(x, at, width));
            keys.iter_mut().enumerate().for_each(|(at, x)| turn(x, at, width));
        }
        let table: Vec<Vec<f64>> = self.table.chunks(self.shape.hidden).map(widen).collect();
        let of_table = |pair: &Pair| table.iter().map(|x| linear(pair, x)).collect::<Vec<_>>();
        let (query_rows, key_rows) = (of_table(&dense[0]), of_table(&dense[1]));
        let score = |i: usize, j: usize, at: usize| {
            let (distance, head) = (j as i64 - i as i64, at..at + width);
            let product = dot(&queries[i][head.clone()], &keys[j][head.clone()]);
            let scale = (width as f64).sqrt();
            match self.standing {
                Standing::Nowhere | Standing::Rotary => product / scale,
                Standing::Distances => product / scale + f64::from(bias(at / width, distance)),
                Standing::Disentangled => {
                    let row = row_of(distance);
                    let mixed = dot(&queries[i][head.clone()], &key_rows[row][head.clone()])
                        + dot(&keys[j][head.clone()], &query_rows[row][head]);
                    (product + mixed) / (3.0 * width as f64).sqrt()
                }
            }
        };
        let attend = |i: usize| {
            let mut context = vec![0.0; self.shape.hidden];
            let window = self.window.unwrap_or(usize::MAX);
            let seen: Vec<usize> = (0..keys.len()).filter(|j| i.abs_diff(*j) <= window).collect();
            for head in (0..self.shape.hidden).step_by(width) {
                let powers: Vec<f64> = seen.iter().map(|&j| score(i, j, head).exp()).collect();
                let total: f64 = powers.iter().sum();
                for (power, &j) in powers.iter().zip(&seen) {
                    for d in head..head + width {
                        context[d] += power / total * values[j][d];
                    }
                }
            }
            context
        };
        (0..queries.len()).map(attend).collect()
    }
}

/// Turns the pairs of each head.
fn turn(x: &mut [f64], position: usize, width: usize) {
    for head in x.chunks_mut(width) {
        for pair in 0..width / 2 {
            let (sine, cosine) = f64::from(angle(position, pair)).sin_cos();
            let (a, b) = (head[pair], head[pair + width / 2]);
            head[pair] = a * cosine - b * sine;
            head[pair + width / 2] = b * cosine + a * sine;
        }
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
        Activation::Silu => x / (1.0 + (-x).exp()),
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
        attention: 384,
        scaled: true,
        centred: true,
        heads: 12,
        intermediate: 1536,
        norm_eps: 1e-12,
        activation: Activation::Gelu,
        placement: Placement::After,
    };
    Model::new(shape, layers, &mut Random(9))
}

/// Every way in which a layer can be made.
fn designs() -> impl Strategy<Value = (Standing, Option<usize>, bool, Placement)> {
    let standing = prop_oneof![
        Just(Standing::Nowhere),
        Just(Standing::Distances),
        Just(Standing::Rotary),
        Just(Standing::Disentangled)
    ];
    let placement = prop_oneof![Just(Placement::After), Just(Placement::Before)];
    (standing, prop::option::of(0..20_usize), any::<bool>(), placement)
}

/// A model of any design; heads that are turned in pairs are of an even width.
fn designed(
    shape: Shape,
    (standing, window, gated, placement): (Standing, Option<usize>, bool, Placement),
    random: &mut Random,
) -> Model {
    let width = (shape.hidden / shape.heads).next_multiple_of(2);
    let hidden = shape.heads * width;
    let shape = Shape { hidden, attention: hidden, placement, ..shape };
    Model { gated, standing, window, ..Model::new(shape, 2, random) }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let activation = prop_oneof![
        Just(Activation::Identity),
        Just(Activation::Relu),
        Just(Activation::Gelu),
        Just(Activation::GeluTanh),
        Just(Activation::Silu)
    ];
    (1..5_usize, 2..70_usize, 1..130_usize, activation).prop_map(
        |(heads, width, intermediate, activation)| Shape {
            hidden: heads * width,
            attention: heads * width,
            scaled: true,
            centred: true,
            heads,
            intermediate,
            norm_eps: 1e-5,
            activation,
            placement: Placement::After,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn floats_agree_with_the_formulas(
        shape in shapes(), design in designs(), lengths in prop::collection::vec(0..40_usize, 0..6), seed in 1..u64::MAX
    ) {
        let random = &mut Random(seed);
        let model = designed(shape, design, random);
        let shape = model.shape;
        let sequences = sequences(&lengths, shape.hidden, random);
        let expected: Vec<f64> =
            sequences.iter().flat_map(|tokens| model.reference(tokens).concat()).collect();
        for simd in Simd::all() {
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
        shape in shapes(), design in designs(), lengths in prop::collection::vec(1..30_usize, 1..12), seed in 1..u64::MAX
    ) {
        let random = &mut Random(seed);
        let model = designed(shape, design, random);
        let shape = model.shape;
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
            let fused = Simd::all().into_iter().filter(|simd| simd.is_fused());
            let all: Vec<Vec<u32>> = fused
                .map(|simd| forward(&model.pack(arithmetic, simd), &sequences, Rows::All))
                .map(|states| states.into_iter().map(f32::to_bits).collect())
                .collect();
            prop_assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{arithmetic:?}");
        }
    }

    #[test]
    fn the_first_rows_alone_are_those_of_all(
        shape in shapes(), design in designs(), lengths in prop::collection::vec(1..30_usize, 1..12), seed in 1..u64::MAX
    ) {
        let random = &mut Random(seed);
        let model = designed(shape, design, random);
        let shape = model.shape;
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
        for simd in Simd::all() {
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

fn levels() -> Vec<(Simd, Arithmetic)> {
    let both = |simd| [(simd, Arithmetic::F32), (simd, Arithmetic::Int8)];
    Simd::all().into_iter().flat_map(both).collect()
}

#[test]
fn a_long_sequence_of_the_minilm_shape_agrees_with_the_formulas() {
    let model = minilm(2);
    let sequences = sequences(&[193, 1], 384, &mut Random(5));
    let expected: Vec<f64> =
        sequences.iter().flat_map(|tokens| model.reference(tokens).concat()).collect();
    for simd in Simd::all() {
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
    let layers = minilm(1).pack(Arithmetic::F32, Simd::get());
    assert!(forward(&layers, &[], Rows::All).is_empty());
    assert!(forward(&layers, &[vec![]], Rows::All).is_empty());
    assert_eq!(forward(&layers, &[vec![]], Rows::First), [0.0; 384]);
}

#[test]
fn weights_of_another_size_are_refused() {
    let shape = Shape { hidden: 385, attention: 385, ..minilm(1).shape };
    let error = Layers::new(shape, Arithmetic::F32, Simd::get()).err().unwrap().to_string();
    assert!(error.starts_with("12 attention heads cannot share a width of 385"), "{error}");
    let dense = Dense { weight: &[0.0; 5], bias: &[0.0; 2] };
    let error = Linear::pack(&dense, 3, Arithmetic::Int8, Simd::get()).err().unwrap().to_string();
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
    for simd in Simd::all() {
        let embeddings = Embeddings::new(tables.clone(), 2, Some((&norm, 0.0)), simd).unwrap();
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
    for simd in Simd::all() {
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
    for simd in Simd::all() {
        let all = [Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu];
        for activation in all {
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
