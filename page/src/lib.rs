//! Self-contained HTML pages with plots, for the reports of both tools.
