"""The logic of the GAN Dissection Dashboard. Nothing in here knows Streamlit."""
