//! Block times as bars, with the same in words.

use maud::{Markup, html};

use super::amount;
use super::limits::WINDOW_BLOCKS;
use super::moment::span;
use crate::rpc::chain::HeaderView;

/// Width of a bar with its gap, in units of the picture.
const STEP: usize = 10;
/// Height of the tallest bar.
const TALL: u64 = 120;

/// The time that a block took after its parent.
struct Solve {
    height: u64,
    ms: u64,
}

/// The times between the blocks of `window`, which is newest first, beside the time that is aimed at.
pub(super) fn block_times(window: &[HeaderView], target_ms: u64) -> Markup {
    let solve = |pair: &[HeaderView]| Solve {
        height: pair[0].height,
        ms: pair[0].time_ms.saturating_sub(pair[1].time_ms),
    };
    // The genesis block's time is the spec's: nobody worked from there on.
    let mined = window.windows(2).filter(|pair| pair[1].height > 0);
    let solves: Vec<_> = mined.map(solve).rev().collect();
    if solves.is_empty() {
        return html! { p.empty { "Two mined blocks are needed for the first time between blocks." } };
    }
    let mut sorted: Vec<_> = solves.iter().map(|solve| solve.ms).collect();
    sorted.sort_unstable();
    let (median, longest) = (sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
    let mean = sorted.iter().sum::<u64>() / sorted.len() as u64;
    let words = format!(
        "{}: median {}, mean {}, longest {}; {} are aimed at.",
        amount::counted(solves.len() as u64, "block time", "block times"),
        span(median),
        span(mean),
        span(longest),
        span(target_ms),
    );
    html! {
        figure {
            (bars(&solves, longest.max(target_ms).max(1), target_ms, &words))
            figcaption { (words) }
        }
    }
}

fn bars(solves: &[Solve], top: u64, target_ms: u64, words: &str) -> Markup {
    let tall = |ms: u64| (ms.saturating_mul(TALL) / top).max(1);
    let left = WINDOW_BLOCKS.saturating_sub(solves.len()) * STEP;
    let line = TALL.saturating_sub(tall(target_ms));
    let width = WINDOW_BLOCKS * STEP;
    html! {
        svg.chart viewBox={ "0 0 " (width) " " (TALL + 2) } role="img" aria-label=(words) preserveAspectRatio="none" {
            @for (at, solve) in solves.iter().enumerate() {
                rect.solve x=(left + at * STEP + 1) y=(TALL - tall(solve.ms)) width=(STEP - 2) height=(tall(solve.ms)) {
                    title { "Block " (amount::count(solve.height)) ": " (span(solve.ms)) }
                }
            }
            line.target x1="0" x2=(width) y1=(line) y2=(line) {}
        }
    }
}
