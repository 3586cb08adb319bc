use super::Value;
use crate::text::Text;

/// The named values of a map, each name once, in the byte order of the names.
///
/// A sorted slice: one allocation for all, and the same fields give the same bytes whatever order they came in.
///
/// ```
/// use layerstore_record::Fields;
///
/// let fields = Fields::new(vec![("b".into(), 2.into()), ("a".into(), 1.into())])?;
/// assert_eq!(fields.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
/// assert_eq!(fields.get("b"), Some(&2.into()));
/// # Ok::<(), layerstore_record::Text>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Fields(Box<[(Text, Value)]>);

impl Fields {
    /// Collects fields in any order.
    ///
    /// # Errors
    /// A name that comes twice.
    pub fn new(mut fields: Vec<(Text, Value)>) -> Result<Self, Text> {
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        match fields.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(pair[0].0.clone()),
            None => Ok(Self(fields.into())),
        }
    }

    /// Takes fields that are in order, each name once; `None` if they are not.
    pub(crate) fn from_sorted(fields: Vec<(Text, Value)>) -> Option<Self> {
        let sorted = fields.is_sorted_by(|(one, _), (next, _)| one < next);
        sorted.then(|| Self(fields.into()))
    }

    /// Returns the value of the field `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let at = self
            .0
            .binary_search_by(|(field, _)| field.as_str().cmp(name))
            .ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// Returns how many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over names and values in the byte order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(super) fn as_slice(&self) -> &[(Text, Value)] {
        &self.0
    }

    /// Returns the bytes kept on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let field = |(name, value): &(Text, Value)| {
            size_of::<(Text, Value)>() + name.heap_bytes() + value.heap_bytes()
        };
        self.0.iter().map(field).sum()
    }
}

impl IntoIterator for Fields {
    type Item = (Text, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_vec().into_iter()
    }
}
