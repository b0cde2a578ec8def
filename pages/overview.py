"""The idea in pictures: what a unit is, how it gets its name, and what happens when it is switched off."""
from pages.parts import frame, pickers

frame.begin("GAN Dissection", "See which unit of a GAN draws what, switch units off, and paint with them.")
pickers.go("units", "Units")
