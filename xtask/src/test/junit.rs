//! Reading the JUnit report that nextest writes.

use super::tally::{Tally, skip_line};

/// Counts the test cases of a report. A passing test that printed `SKIPPED …` counts as skipped.
pub(crate) fn tally(xml: &str) -> Tally {
    let mut tally = Tally::default();
    for case in xml.split("<testcase ").skip(1) {
        let skips = skips(case);
        if case.contains("<failure") || case.contains("<error") {
            tally.failed += 1;
        } else if skips.is_empty() {
            tally.passed += 1;
        } else {
            tally.skipped += 1;
        }
        tally.reasons.extend(skips);
    }
    tally
}

fn skips(case: &str) -> Vec<String> {
    let output = case
        .split_once("<system-out>")
        .and_then(|(_, rest)| rest.split_once("</system-out>"));
    let Some((output, _)) = output else { return vec![] };
    output.lines().filter_map(skip_line).map(unescape).collect()
}

fn unescape(text: &str) -> String {
    // `&amp;` comes last, or an escaped `&lt;` would be unescaped twice.
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'");
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::tally;

    const REPORT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="4" failures="2" errors="0">
    <testsuite name="nt" tests="4" errors="0" failures="2">
        <testcase name="aborts" classname="nt" time="0.005">
            <failure message="process aborted with signal 6 (SIGABRT)" type="test abort">x</failure>
            <system-out>
running 1 test
</system-out>
        </testcase>
        <testcase name="good" classname="nt" time="0.004">
            <system-out>
running 1 test
test good ... ok
prints &lt;failure&gt; in passing
</system-out>
        </testcase>
        <testcase name="skips" classname="nt" time="0.004">
            <system-out>
running 1 test
SKIPPED nt: needs &lt;root&gt; &amp; a &quot;disk&quot;, &amp;lt; is kept
test skips ... ok
</system-out>
        </testcase>
        <testcase name="bad" classname="nt" time="0.074">
            <failure message="panicked" type="test failure with exit code 101">no</failure>
        </testcase>
    </testsuite>
</testsuites>"#;

    #[test]
    fn passes_failures_and_skips_are_told_apart() {
        let tally = tally(REPORT);
        assert_eq!(tally.closing(), "1 passed, 2 failed, 1 skipped");
        assert_eq!(
            tally.reasons,
            [r#"SKIPPED nt: needs <root> & a "disk", &lt; is kept"#]
        );
    }

    #[test]
    fn an_empty_report_counts_nothing() {
        assert_eq!(tally("").closing(), "0 passed, 0 failed, 0 skipped");
    }
}
