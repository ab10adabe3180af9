"""The colours of pictures and pages: Okabe and Ito (2008), which differ for colour-blind readers too."""

from __future__ import annotations

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"

#: Of the series of a plot, in their order; without the yellow, which is lost on white paper.
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, "#000000")
#: Of hits, near and far, in shades of blue, and then of each kind of miss.
CAUSES = (BLUE, SKY, "#CDE7F5", ORANGE, PURPLE, VERMILION)
#: Of the last cause, which is all the rest and mostly the largest: it stays in the background.
REST = "#E6E8EB"

#: The same on dark ground, where dark blue and black would be lost and white would glare.
DARK_SERIES = (SKY, "#E8743B", "#1FBF92", "#D98FB8", ORANGE, "#F0E442", "#F5F5F5")
DARK_CAUSES = ("#3D8FC4", SKY, "#CDE7F5", ORANGE, PURPLE, VERMILION)
DARK_REST = "#4A525C"
