use proptest::prelude::*;

use super::*;

/// Operations with arguments that are often small, as those of a fuzzer.
fn script() -> impl Strategy<Value = Vec<u8>> {
    let arg = prop_oneof![3 => 0..8_u8, 1 => any::<u8>()];
    let op = (any::<u8>(), proptest::array::uniform9(arg));
    (any::<u8>(), proptest::collection::vec(op, 0..120)).prop_map(|(switches, ops)| {
        let ops = ops.into_iter().flat_map(|(kind, args)| [vec![kind], args.to_vec()].concat());
        [switches].into_iter().chain(ops).collect()
    })
}

fn describe(data: &[u8]) -> String {
    let (switches, script) = data.split_first().unwrap_or((&0, &[]));
    let mut script = ops::Script(script);
    let next = move || {
        let op = script.next_op()?;
        let raw = if op.kind == ops::Kind::Raw { script.take(op.args[1].into()) } else { &[] };
        Some(format!("{:?} {:?} {raw:?}", op.kind, op.args))
    };
    let ops: Vec<_> = core::iter::from_fn(next).collect();
    format!("switches {switches}\n{}", ops.join("\n"))
}

/// Pieces of seeds in a row, with some bytes changed: as a fuzzer would do it.
fn spliced() -> impl Strategy<Value = Vec<u8>> {
    let piece = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..40_usize);
    let change = (any::<prop::sample::Index>(), prop_oneof![3 => 0..8_u8, 1 => any::<u8>()]);
    let pieces = proptest::collection::vec(piece, 1..5);
    (any::<u8>(), pieces, proptest::collection::vec(change, 0..12)).prop_map(|(switches, pieces, changes)| {
        let seeds = seeds::seeds();
        let mut all = vec![switches];
        for (which, from, length) in pieces {
            let ops: Vec<_> = which.get(&seeds).bytes[1..].chunks(1 + ops::ARGS).collect();
            all.extend(ops.iter().skip(from.index(ops.len())).take(length).flat_map(|op| op.iter().copied()));
        }
        for (at, with) in changes {
            let at = at.index(all.len());
            all[at] = with;
        }
        all
    })
}

/// More by `FUZZ_CASES=1` when it is built.
const CASES: u32 = if option_env!("FUZZ_CASES").is_some() { 6_000 } else { 200 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]
    #[test]
    fn any_operations_keep_to_the_model(data in script()) {
        let found = run(&data, &mut Sound).err();
        prop_assert!(found.is_none(), "{}\n{}", found.unwrap(), describe(&data));
    }

    #[test]
    fn pieces_of_seeds_keep_to_the_model(data in spliced()) {
        let found = run(&data, &mut Sound).err();
        prop_assert!(found.is_none(), "{}\n{}", found.unwrap(), describe(&data));
    }
}
