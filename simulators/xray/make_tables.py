"""Makes `tables.npz`, the attenuation and the spectra that the simulator stands on.

Run as `python -m simulators.xray.make_tables`.

Needs the `sim` extra. Attenuation: xraydb (Elam, Ravel and Sieber's compilation). Spectra: spekpy, a tungsten anode.
The detector is a sandwich: a thin scintillator, a copper sheet, a thick scintillator, both of CsI, both integrating
energy. Every material becomes a mixture of four that the scene keeps as maps: polyethylene, aluminium, iron and lead.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import spekpy
import xraydb
from scipy.optimize import nnls

ENERGIES_KEV = np.arange(15.0, 181.0)
KVPS = (140.0, 160.0, 180.0)
FILTERS_CU_MM = (0.4, 0.7, 1.0)
BASIS = {"polyethylene": "C2H4", "aluminium": "Al", "iron": "Fe", "lead": "Pb"}
# Formula by mass where a ":" stands in it, chemical otherwise; density in g/cm3.
MATERIALS = {
    "polyethylene": ("C2H4", 0.94),
    "water": ("H2O", 1.0),
    "alcohol": ("C2H6O", 0.85),
    "cotton": ("C6H10O5", 0.45),
    "wool": ("C4H7NO2", 0.35),
    "polyester": ("C10H8O4", 0.5),
    "leather": ("C4H7NO2", 0.95),
    "rubber": ("C5H8", 1.05),
    "paper": ("C6H10O5", 0.8),
    "wood": ("C6H10O5", 0.6),
    "food": ("C6H12O3", 1.0),
    "sugar": ("C12H22O11", 0.95),
    "chocolate": ("C12H20O5", 1.3),
    "soap": ("C18H35O2Na", 1.0),
    "cream": ("C6H14O4", 1.0),
    "abs": ("C15H17N", 1.05),
    "pvc": ("C2H3Cl", 1.35),
    "nylon": ("C6H11NO", 1.14),
    "acrylic": ("C5H8O2", 1.18),
    "glass": ("Si4O10Na2Ca", 2.5),
    "ceramic": ("Al2Si2O7", 2.4),
    "circuit_board": ("C10H12O3Si2", 1.85),
    "lithium_cell": ("LiCoO2C6Al2Cu1", 2.6),
    "alkaline_cell": ("ZnMnO2KOHFe1", 3.4),
    "bone": ("C4H7NO2Ca2P1O4", 1.8),
    "ivory": ("Ca5P3O13HC6H10NO2", 1.8),
    "banknote": ("C6H10O5Ti0.02", 0.95),
    "aluminium": ("Al", 2.7),
    "titanium": ("Ti", 4.5),
    "steel": ("Fe", 7.85),
    "brass": ("Cu2Zn", 8.5),
    "copper": ("Cu", 8.96),
    "zinc": ("Zn", 6.6),
    "tin_solder": ("Sn", 7.3),
    "lead": ("Pb", 11.3),
    "silver": ("Ag", 10.5),
    "gold": ("Au", 19.3),
    "rdx": ("C3H6N6O6", 1.6),
    "petn": ("C5H8N4O12", 1.5),
    "tnt": ("C7H5N3O6", 1.6),
    "ammonium_nitrate": ("NH4NO3", 0.95),
    "black_powder": ("K10N10O30C20S4", 1.05),
    "cocaine": ("C17H22NO4Cl", 1.05),
    "heroin": ("C21H23NO5", 0.9),
    "methamphetamine": ("C10H16NCl", 0.85),
    "cannabis": ("C6H10O4", 0.6),
    "tablets": ("C10H14N2O6Ca0.1", 1.2),
    "carbon_fibre": ("C", 1.55),
}


def attenuation(formula: str) -> np.ndarray:
    """Return the mass attenuation coefficient over ENERGIES_KEV, cm2/g."""
    composition = xraydb.chemparse(formula)
    masses = {element: count * xraydb.atomic_mass(element) for element, count in composition.items()}
    total = sum(masses.values())
    parts = [mass / total * xraydb.mu_elam(element, ENERGIES_KEV * 1e3) for element, mass in masses.items()]
    return np.sum(parts, axis=0)


def mixtures(basis: np.ndarray) -> np.ndarray:
    """Return g/cm2 of each basis material that attenuate like 1 g/cm2 of each material, from 25 to 150 keV."""
    used = (ENERGIES_KEV >= 25) & (ENERGIES_KEV <= 150)
    rows = []
    for formula, _ in MATERIALS.values():
        mu = attenuation(formula)
        weight = 1 / mu[used]
        rows.append(nnls((basis[:, used] * weight).T, mu[used] * weight)[0])
    return np.array(rows)


def spectra() -> np.ndarray:
    """Return what low and high detector weigh each energy by: [kvp, filter, low/high, energy], sums of one."""
    csi, copper = attenuation("CsI"), attenuation("Cu")
    out = np.zeros((len(KVPS), len(FILTERS_CU_MM), 2, ENERGIES_KEV.size))
    for k, kvp in enumerate(KVPS):
        tube = spekpy.Spek(kvp=kvp, th=20, dk=1.0)
        tube.filter("Al", 2.0)
        kev, fluence = tube.get_spectrum()
        flow = np.interp(ENERGIES_KEV, kev, fluence, left=0, right=0) * ENERGIES_KEV
        thin = np.exp(-csi * 4.51 * 0.03)
        for f, filter_mm in enumerate(FILTERS_CU_MM):
            behind = thin * np.exp(-copper * 8.96 * filter_mm / 10)
            low, high = flow * (1 - thin), flow * behind * (1 - np.exp(-csi * 4.51 * 0.4))
            out[k, f] = low / low.sum(), high / high.sum()
    return out


def main() -> None:
    basis = np.array([attenuation(formula) for formula in BASIS.values()])
    np.savez_compressed(
        Path(__file__).with_name("tables.npz"),
        energies_kev=ENERGIES_KEV.astype(np.float32),
        kvps=np.array(KVPS, np.float32),
        filters_cu_mm=np.array(FILTERS_CU_MM, np.float32),
        basis=basis.astype(np.float32),
        materials=np.array(list(MATERIALS)),
        densities_g_cm3=np.array([density for _, density in MATERIALS.values()], np.float32),
        mixtures=mixtures(basis).astype(np.float32),
        spectra=spectra().astype(np.float32),
    )


if __name__ == "__main__":
    main()
