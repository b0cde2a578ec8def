"""The only Streamlit plumbing: frame, state, pickers, gallery, charts, job panel, canvas, wipe."""
