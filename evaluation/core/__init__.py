"""What every part of evaluation stands on: errors, arrays kept on disk, tables as text. It knows no model."""
