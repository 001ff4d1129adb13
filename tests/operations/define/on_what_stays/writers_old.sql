INSERT INTO public.t VALUES (100 + {n}, 'word {n}')
