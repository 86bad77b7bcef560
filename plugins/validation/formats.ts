/** Blanks, controls, and what is drawn as nothing: zero-width characters, fillers, the empty braille cell. */
const VISIBLE = /[^\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u
const LINE_BREAK_OR_CONTROL = /[\p{Cc}\u2028\u2029]/u

/** Formats of our schemas beside those of JSON Schema; `text` schemas name them. */
export const FORMATS = {
  /** One line that a reader can see. */
  'visible-line': (text: string) => VISIBLE.test(text) && !LINE_BREAK_OR_CONTROL.test(text)
}

/** What a client is told about a text that is not of a format. */
export const FORMAT_SENTENCES: Record<string, string> = {
  'visible-line': 'must hold a visible character, and no line break or other control character'
}
