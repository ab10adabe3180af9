"""Neural news recommenders that learn in the stream.

The models (`nrms`, `naml`, `lstur`, `tanr`, `caum`, `pprec`, `awrs`, `crown`, `fim`, `nrms_bert`, `punr`, `nrms_im`,
`fim_im`, `cennewsrec`, `sentirec`, `mins`, `npa`, `miner`, `manner_cr`, `hierec`, `glory`, `cne_sue`, `dkn`, `mccm`,
`dssm`, `unbert`, `amm`, `gru4rec`, `sasrec`, `narm`, `stamp`) are `torch.nn.Module`s that can be used outside a
replay, too; `recommenders.recommender_of` makes a recommender of any.
torch is an extra: `pip install "newsreplay[neural]"`.
"""
