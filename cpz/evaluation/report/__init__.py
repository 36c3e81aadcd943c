"""The HTML report: `values` describes a page, `render` draws it, `format` writes its numbers."""
