use super::Model;

/// A key that holds one number or none: what an engine or a record store does for a key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Register;

/// What a [`Register`] is asked. Give every write a number of its own: the answers then tell the writes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterOp {
    /// Answers what is there.
    Get,
    /// Puts a number, and answers what was there.
    Put(u64),
    /// Puts a number where `expected` is, and tells whether it did.
    PutIf {
        /// What must be there.
        expected: Option<u64>,
        /// What to put.
        put: u64,
    },
    /// Removes what is there, and answers it.
    Remove,
    /// Puts the number where there is none or an even one, removes an odd one, and answers what was there.
    Toggle(u64),
}

/// What a [`Register`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterOutput {
    /// What is or was there.
    Value(Option<u64>),
    /// Some number was there, which was not read.
    Unread,
    /// Whether the number was put.
    Done(bool),
}

impl Register {
    /// Answers `op` in `state`, and returns the state after it.
    #[must_use]
    pub fn answer(state: Option<u64>, op: RegisterOp) -> (RegisterOutput, Option<u64>) {
        let found = RegisterOutput::Value(state);
        match op {
            RegisterOp::Get => (found, state),
            RegisterOp::Put(number) => (found, Some(number)),
            RegisterOp::PutIf { expected, put } if expected == state => {
                (RegisterOutput::Done(true), Some(put))
            }
            RegisterOp::PutIf { .. } => (RegisterOutput::Done(false), state),
            RegisterOp::Remove => (found, None),
            RegisterOp::Toggle(number) => (found, Self::toggled(state, number)),
        }
    }

    /// Returns what [`RegisterOp::Toggle`] leaves.
    #[must_use]
    pub fn toggled(state: Option<u64>, number: u64) -> Option<u64> {
        match state {
            Some(odd) if odd % 2 == 1 => None,
            _ => Some(number),
        }
    }
}

impl Model for Register {
    type State = Option<u64>;
    type Op = RegisterOp;
    type Output = RegisterOutput;

    fn initial(&self) -> Option<u64> {
        None
    }

    fn apply(
        &self,
        state: &Option<u64>,
        op: &RegisterOp,
        output: Option<&RegisterOutput>,
    ) -> Option<Option<u64>> {
        let (answer, next) = Self::answer(*state, *op);
        let fits = match output {
            None => true,
            Some(RegisterOutput::Unread) => matches!(answer, RegisterOutput::Value(Some(_))),
            Some(output) => *output == answer,
        };
        fits.then_some(next)
    }
}
